"""The loss of a batch of one lesson: what is read, written and drawn, for all its examples at once.

Shapes: P examples, Q questions of an example, K noise draws of each image, N latent tokens, W numbers in a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.bagel.config import BagelConfig
from harness.bagel.context import Context, pad_ids
from harness.bagel.language import Tokens
from harness.bagel.model import SMALLEST_SIGMA, Bagel, Canvas
from harness.bagel.pixels import to_patches
from harness.bagel.tokenizer import TextCoder
from harness.bagel.view import View, read_views
from trainer.lesson import Example, Picture, Pixels


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of one lesson, and the random draws of their images."""

    examples: tuple[Example, ...]
    plain: tuple[bool, ...]
    """(P,) whether the last text and the thought are left out, so that guidance has something to lead away from"""
    levels: Tensor
    """(P * K,) noise levels"""
    noise: Tensor
    """(P * K, N, W)"""

    def to(self, device: str) -> Batch:
        """The same batch with its tensors on a device."""
        return Batch(self.examples, self.plain, self.levels.to(device), self.noise.to(device))


def pixels_of(pictures: Sequence[Pixels]) -> Tensor:
    """Pictures as (P, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def losses(model: Bagel, coder: TextCoder, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
    """Cross-entropy of what is written and squared velocity error of what is drawn, None where there is nothing."""
    context = read(model, coder, batch)
    first = batch.examples[0]
    words = None
    if first.asked:
        words = answers(model, coder, context, batch.examples)
    if first.thought:
        texts = [
            [] if plain else coder.encode(one.thought) for one, plain in zip(batch.examples, batch.plain, strict=True)
        ]
        context, words = written(model, context, texts)
    return words, velocity_error(model, context, batch) if len(batch.levels) else None


def read(model: Bagel, coder: TextCoder, batch: Batch) -> Context:
    """The context after everything that the examples give."""
    context = Context.empty(len(batch.examples), model.device)
    texts = [place for place, one in enumerate(batch.examples[0].read) if isinstance(one, str)]
    for place in range(len(batch.examples[0].read)):
        column = [example.read[place] for example in batch.examples]
        if place in texts:
            last = place == texts[-1]
            ids = [
                [] if plain and last else coder.encode(str(text))
                for text, plain in zip(column, batch.plain, strict=True)
            ]
            if any(ids):
                context, _, _ = model.read_words(context, ids)
        else:
            views = [view_of(model.config, one) for one in column if isinstance(one, Picture)]
            context = read_views(model, context, views)
    return context


def view_of(config: BagelConfig, picture: Picture) -> View:
    """A picture as the model reads it: with clean latents where it is read whole, and always through the eyes."""
    seen = pixels_of([picture.pixels])
    if config.vit is None:
        raise ValueError("a model without eyes cannot read a picture")
    latent, patch = config.latent_patch_size, config.vit.patch_size
    height, width = seen.shape[2:]
    return View(
        to_patches(seen, latent)[0] if picture.whole else None,
        (height // latent, width // latent),
        to_patches(seen, patch)[0],
        (height // patch, width // patch),
    )


def written(model: Bagel, context: Context, texts: Sequence[Sequence[int]]) -> tuple[Context, Tensor]:
    """The context after the texts, and the mean cross-entropy of every token after the begin mark."""
    ids, valid = pad_ids(texts, model.device)
    context, hidden, _ = model.read_words(context, texts)
    logits = model.language_model.lm_head(hidden[:, :-1][valid[:, 1:]])
    return context, cross_entropy(logits.float(), ids[:, 1:][valid[:, 1:]])


def answers(model: Bagel, coder: TextCoder, context: Context, examples: Sequence[Example]) -> Tensor:
    """Cross-entropy of the answers to each example's questions, each asked by itself of the same context.

    All pairs of an example stand in one row of L tokens: a token sees the context and its own pair alone, and every
    pair begins at the same position, which is what asking them one by one would give.
    """
    rows = [[(coder.encode(question), coder.encode(answer)) for question, answer in one.asked] for one in examples]
    ids, valid = pad_ids([[id_ for pair in row for text in pair for id_ in text] for row in rows], model.device)
    length = ids.shape[1]
    pair, place, wanted = (
        _fill([mark(row) for row in rows], length, model.device) for mark in (_pairs, _places, _wanted)
    )
    earlier = torch.ones(length, length, dtype=torch.bool, device=model.device).tril()
    own = (pair[:, :, None] == pair[:, None, :]) & earlier & valid[:, None, :]
    own = own | torch.eye(length, dtype=torch.bool, device=model.device)
    embedded = model.embed(ids)
    positions = context.start(len(rows))[:, None] + place
    tokens = Tokens(embedded, embedded[:, :0], positions, own)
    hidden, _, _ = model.language_model.model(tokens, [context])
    asked = wanted[:, 1:].bool()
    return cross_entropy(model.language_model.lm_head(hidden[:, :-1][asked]).float(), ids[:, 1:][asked])


Pairs = Sequence[tuple[Sequence[int], Sequence[int]]]


def _pairs(row: Pairs) -> list[int]:
    """Which pair each token belongs to."""
    return [number for number, (question, answer) in enumerate(row) for _ in range(len(question) + len(answer))]


def _places(row: Pairs) -> list[int]:
    """How far each token stands from the beginning of its pair."""
    return [place for question, answer in row for place in range(len(question) + len(answer))]


def _wanted(row: Pairs) -> list[int]:
    """1 for the tokens that are to be predicted: each answer after its begin mark."""
    return [mark for question, answer in row for mark in [*[0] * (len(question) + 1), *[1] * (len(answer) - 1)]]


def _fill(rows: Sequence[Sequence[int]], length: int, device: torch.device) -> Tensor:
    return torch.tensor([[*row, *[0] * (length - len(row))] for row in rows], device=device)


def velocity_error(model: Bagel, context: Context, batch: Batch) -> Tensor:
    """Mean squared velocity error over K noise levels of each image.

    Flow matching as in BAGEL (arXiv 2505.14683); with x-prediction the same loss divides the error by sigma (JiT).
    """
    images = [one.image for one in batch.examples if one.image is not None]
    seen = pixels_of(images).to(model.device)
    draws = len(batch.levels) // len(images)
    clean = to_patches(seen, model.config.latent_patch_size).repeat_interleave(draws, 0)
    level = batch.levels[:, None, None]
    noisy = (1.0 - level) * clean + level * batch.noise
    rows, columns = seen.shape[2] // model.config.downsample, seen.shape[3] // model.config.downsample
    canvas = Canvas.of([(rows, columns)] * len(clean), model.config.max_latent_size, model.device)
    velocity = model.velocity(context, noisy, batch.levels, canvas)
    if model.config.prediction == "data":  # the floor of the divisor must not make the target unreachable
        return (velocity - (noisy - clean) / level.clamp(min=SMALLEST_SIGMA)).square().mean()
    return (velocity - (batch.noise - clean)).square().mean()
