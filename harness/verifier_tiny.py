"""tiny: the embedded unified model answers questions about images in words; its own eyes, no rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from harness.bagel.checkpoint import digest
from harness.bagel.context import Context
from harness.bagel.model import Bagel
from harness.bagel.pixels import to_patches, to_tensor
from harness.bagel.prompts import Prompts
from harness.bagel.tokenizer import TextCoder
from harness.bagel.view import View, read_views
from harness.model_tiny import SHIPPED, read_bagel
from reward.verifier import Query, Reply
from tasks.scene import SIDE


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which weights answer."""

    weights: Path = SHIPPED
    """Folder of weights of the embedded model."""


@dataclass(frozen=True, slots=True)
class TinyVerifier:
    """Reads the probability of each wanted answer as the first word after a question about an image."""

    id: str
    record: Mapping[str, Any]
    bagel: Bagel
    coder: TextCoder
    prompts: Prompts

    @torch.inference_mode()
    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; each image is read once for all its questions."""
        replies: dict[int, Reply] = {}
        by_image: dict[int, list[int]] = {}
        for place, query in enumerate(queries):
            if len(query.images) == 1:
                by_image.setdefault(id(query.images[0]), []).append(place)
            else:
                replies[place] = Reply("refused", error=f"one image a question, not {len(query.images)}")
        for places in by_image.values():
            asked = [queries[place] for place in places]
            replies.update(zip(places, self.answers(asked[0].images[0], asked), strict=True))
        return [replies[place] for place in range(len(queries))]

    def answers(self, image: Image.Image, queries: Sequence[Query]) -> list[Reply]:
        """Replies to all questions of one image (context: the image through the eyes, then the question)."""
        context = read_views(self.bagel, Context.empty(1, self.bagel.device), [self.look(image)])
        texts = [self.coder.encode(self.prompts.question.replace("{question}", query.text)) for query in queries]
        context, _, _ = self.bagel.read_words(context, texts)
        told = [self.coder.encode(query.continuation)[:-2] or [self.coder.special.begin] for query in queries]
        _, hidden, _ = self.bagel.read_words(context, told)
        logits = self.bagel.language_model.lm_head(hidden).float()
        return [
            self.likelihood(row, query) if query.continuation else self.reply(row[0].softmax(-1), query)
            for row, query in zip(logits, queries, strict=True)
        ]

    def likelihood(self, logits: torch.Tensor, query: Query) -> Reply:
        """The mean log-likelihood of the wanted words, from the logits (words or more, vocabulary) before each."""
        wanted = self.coder.encode(query.continuation)[1:-1]
        if not wanted:
            return Reply("parse_error", error=f"no words in {query.continuation[:40]!r}", served=self.id)
        each = logits[: len(wanted)].log_softmax(-1)[torch.arange(len(wanted)), torch.tensor(wanted)]
        return Reply("ok", log_likelihood=float(each.mean()), served=self.id)

    def reply(self, probabilities: torch.Tensor, query: Query) -> Reply:
        """The probability of each wanted answer's first word, and the likeliest word as the text."""
        ids = {answer: self.coder.encode(answer)[1] for answer in query.answers}
        found = {answer: float(probabilities[number]) for answer, number in ids.items()}
        return Reply("ok", self.coder.decode([int(probabilities.argmax())]), found, served=self.id)

    def look(self, image: Image.Image) -> View:
        """The image as the eyes take it, brought to the size of the embedded world."""
        vit = self.bagel.config.vit
        if vit is None:
            raise ValueError(f"{self.id} has no eyes and cannot answer questions about images")
        plain = image.convert("RGB")
        pixels = to_tensor([plain if plain.size == (SIDE, SIDE) else plain.resize((SIDE, SIDE))]).to(self.bagel.device)
        side = SIDE // vit.patch_size
        return View(None, (0, 0), to_patches(pixels, vit.patch_size)[0], (side, side))


def build(arguments: Arguments) -> TinyVerifier:
    """The embedded model as a verifier; ValueError for weights without eyes."""
    bagel, coder = read_bagel(arguments.weights)
    if bagel.config.vit is None:
        raise ValueError(f"the weights in {arguments.weights} have no eyes and cannot answer questions about images")
    prompts, revision = Prompts.read(arguments.weights / "prompts.json"), digest(arguments.weights / "ema.safetensors")
    record = {
        "name": "tiny",
        "mode": "logprobs",
        "likelihood": True,
        "revision": revision,
        "prompts_sha256": prompts.digest,
    }
    return TinyVerifier(f"tiny@{revision[:12]}", record, bagel, coder, prompts)
