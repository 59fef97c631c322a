"""A unified model answers questions about images in words: the verifiers `tiny` and `self`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from harness.bagel.context import Context
from harness.bagel.unified import Unified
from harness.bagel.view import read_views
from reward.spelling import Spellings
from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class UnifiedVerifier:
    """Reads the probability of each wanted answer as the first word after a question about an image."""

    id: str
    record: Mapping[str, Any]
    model: Unified
    question: str
    """How `{question}` about an image is asked"""
    spellings: Spellings = field(repr=False)

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
        bagel, coder = self.model.bagel, self.model.coder
        view = self.model.look(self.model.sized(image)[1])
        context = read_views(bagel, Context.empty(1, bagel.device), [view])
        texts = [coder.encode(self.question.replace("{question}", query.text)) for query in queries]
        context, _, _ = bagel.read_words(context, texts)
        told = [coder.encode(query.continuation)[:-2] or [coder.special.begin] for query in queries]
        _, hidden, _ = bagel.read_words(context, told)
        logits = bagel.language_model.lm_head(hidden).float()
        return [
            self.likelihood(row, query) if query.continuation else self.reply(row[0].softmax(-1), query)
            for row, query in zip(logits, queries, strict=True)
        ]

    def likelihood(self, logits: torch.Tensor, query: Query) -> Reply:
        """The mean log-likelihood of the wanted words, from the logits (words or more, vocabulary) before each."""
        wanted = self.model.coder.encode(query.continuation)[1:-1]
        if not wanted:
            return Reply("parse_error", error=f"no words in {query.continuation[:40]!r}", served=self.id)
        each = logits[: len(wanted)].log_softmax(-1)[torch.arange(len(wanted)), torch.tensor(wanted)]
        return Reply("ok", log_likelihood=float(each.mean()), served=self.id)

    def reply(self, probabilities: torch.Tensor, query: Query) -> Reply:
        """The probability of each wanted answer in all its spellings, and the likeliest word as the text.

        An answer of several tokens has the probability of its first.
        """
        found = {
            answer: float(probabilities[self.spellings.of([answer]) or [self.model.coder.encode(answer)[1]]].sum())
            for answer in query.answers
        }
        return Reply("ok", self.model.coder.decode([int(probabilities.argmax())]), found, served=self.id)


def answering(model: Unified, name: str, label: str) -> UnifiedVerifier:
    """A model as the verifier of a name, with `label` as its id; ValueError for a model without eyes.

    The record says which weights answer.
    """
    prompts = model.reflector().prompts
    weights = {part: model.record.get(part) for part in ("weights_digest", "adapter_digest")}
    record = {
        "name": name,
        "mode": "logprobs",
        "likelihood": True,
        "revision": "+".join(str(one) for one in weights.values() if one),
        "prompts_sha256": prompts.digest,
    }
    words = model.coder.tokenizer.decode_batch([[number] for number in range(model.coder.size)])
    return UnifiedVerifier(label, record, model, prompts.question, Spellings(words))
