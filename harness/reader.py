"""A unified model as lm-eval asks it: likelihoods and answers, after a text and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from harness.bagel.context import Context
from harness.bagel.unified import Unified
from harness.bagel.view import read_views
from harness.bagel.write import Sampling, write

IMAGE = "<image>"
"""Where lm-eval's texts name an image; images are read first, so the mark is taken out."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads and writes with the weights of a unified model."""

    model: Unified

    def context(self, text: str, images: Sequence[Image.Image]) -> Context:
        """What the model has read: the images through its eyes alone, then the text where there is one."""
        found = Context.empty(1, self.model.bagel.device)
        for image in images:
            found = read_views(self.model.bagel, found, [self.model.look(self.model.sized(image)[1])])
        words = text.replace(IMAGE, "").strip()
        return self.model.bagel.read_words(found, [self.model.coder.encode(words)])[0] if words else found

    @torch.inference_mode()
    def likelihood(self, text: str, continuation: str, images: Sequence[Image.Image] = ()) -> tuple[float, bool]:
        """Log-likelihood in nats of a continuation, and whether each of its tokens is the likeliest one."""
        wanted = self.model.coder.encode(continuation.strip())[1:-1]
        if not wanted:
            raise ValueError(f"there is no word in the continuation {continuation!r}")
        told = [self.model.coder.special.begin, *wanted[:-1]]
        _, hidden, _ = self.model.bagel.read_words(self.context(text, images), [told])
        scores = self.model.bagel.language_model.lm_head(hidden)[0].float().log_softmax(-1)
        each = scores[torch.arange(len(wanted)), torch.tensor(wanted)]
        total = float(each.sum())
        if total != total:
            raise ValueError(f"the log-likelihood of {continuation[:40]!r} is no number")  # lm-eval would score it
        return total, bool((scores.argmax(-1) == torch.tensor(wanted, device=scores.device)).all())

    @torch.inference_mode()
    def answer(self, text: str, until: Sequence[str], most: int, images: Sequence[Image.Image] = ()) -> str:
        """The likeliest continuation of at most so many tokens, up to the first of the marks."""
        written = write(self.model.bagel, self.context(text, images), Sampling(0.0, 1.0, most), [0])[0]
        told = self.model.coder.decode(written.ids)
        for mark in until:
            told = told.partition(mark)[0]
        return told
