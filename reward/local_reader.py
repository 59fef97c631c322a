"""A vision-language model in this process: what it says after a conversation, token by token."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from reward.conversation import Chat, Conversation
from reward.encoding import shrunk
from reward.shared_prefix import Tail, Tensor, read_plain, read_shared
from reward.verifier import Query

if TYPE_CHECKING:
    from PIL.Image import Image

TOLERANCE = {torch.float32: 1e-3}
ROUGH = 0.05
"""How far a probability may lie from that of a reading from the beginning; half precision rounds more."""
BREAKS = (ValueError, TypeError, RuntimeError, IndexError, KeyError, AttributeError, NotImplementedError)
"""What a model raises that cannot go on after a prefix."""
log = logging.getLogger("harness")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its pictures and its conversation, and the tokens behind the last picture."""

    images: tuple[Image, ...]
    conversation: Conversation
    tail: Tail


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer in free text, the logits (vocabulary,) of its first token, and whether it was cut off."""

    text: str
    first: Tensor
    tokens: int
    cut: bool


class LocalReader:
    """Reads pictures and conversations; `shares` says whether the questions of a picture share one pass over it."""

    def __init__(self, model: Any, processor: Any, chat: Chat, max_side: int | None) -> None:
        self.model, self.processor, self.chat, self.max_side = model, processor, chat, max_side
        self.shares = True
        self.padding = processor.tokenizer.pad_token_id or 0

    def inputs(self, heads: Sequence[Asked], whole: bool = False, side: str = "right") -> Mapping[str, Tensor]:
        """What the model takes: the conversations up to their last picture, or whole."""
        texts = [one.conversation.head + (one.conversation.tail if whole else "") for one in heads]
        pictures = [[shrunk(image, self.max_side) for image in one.images] for one in heads]
        made: Mapping[str, Tensor] = self.processor(
            images=pictures, text=texts, return_tensors="pt", padding=True, padding_side=side,
            add_special_tokens=self.chat.adds_start(texts[0]),
        ).to(self.model.device, dtype=self.model.dtype)  # fmt: skip
        return made

    def read(self, groups: Sequence[Sequence[Asked]]) -> list[list[Tensor]]:
        """Logits (wanted, vocabulary) of every question; those of a group share pictures and the words up to them."""
        if self.shares:
            prefix = self.inputs([group[0] for group in groups])
            return read_shared(self.model, prefix, [[one.tail for one in group] for group in groups], self.padding)
        return [[self.read_alone(one) for one in group] for group in groups]

    def read_alone(self, asked: Asked) -> Tensor:
        """Logits (wanted, vocabulary) of one question, read from the beginning."""
        head = self.inputs([asked])
        return read_plain(self.model, lengthened(head, asked.tail.tokens), asked.tail.wanted)

    @torch.inference_mode()
    def speak(self, asked: Sequence[Asked], most: int) -> list[Spoken]:
        """Answers in free text of at most so many tokens, the likeliest token each time."""
        given = self.inputs(asked, whole=True, side="left")
        made = self.model.generate(
            **given, max_new_tokens=most, do_sample=False, temperature=None, top_p=None, top_k=None,
            repetition_penalty=1.0, pad_token_id=self.padding, return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
        ends = set(torch.as_tensor(self.model.generation_config.eos_token_id or ()).flatten().tolist())
        found = []
        for row, first in zip(made.sequences[:, given["input_ids"].shape[1] :].tolist(), made.logits[0], strict=True):
            stop = next((place for place, token in enumerate(row) if token in ends), None)
            text = self.chat.tokenizer.decode(row[:stop], skip_special_tokens=True)
            tokens = len(row) if stop is None else stop + 1
            found.append(Spoken(text, first.float(), tokens, stop is None and len(row) >= most))
        return found

    def settle(self, queries: Sequence[Query]) -> str:
        """Chooses how pictures are read, by the answers to these queries; gives the reason if each is read alone."""
        asked = [self.asked(query) for query in queries]
        most = TOLERANCE.get(self.model.dtype, ROUGH)
        whole = [read_plain(self.model, self.inputs([one], whole=True), 1).softmax(-1) for one in asked]
        try:
            groups = grouped(asked)
            found = {id(one): logits for group, row in zip(groups, self.read(groups), strict=True)
                     for one, logits in zip(group, row, strict=True)}  # fmt: skip
            away = max(float((found[id(one)].softmax(-1) - right).abs().max())
                       for one, right in zip(asked, whole, strict=True))  # fmt: skip
            reason = "" if away <= most else f"probabilities come out {away:.2g} apart"
        except BREAKS as error:
            reason = f"{type(error).__name__}: {str(error)[:120]}"
        self.shares = not reason
        if reason:
            log.warning("local: this model cannot read a picture once for all its questions (%s); each question is "
                        "read from the beginning, which takes longer", reason)  # fmt: skip
        return reason

    def asked(self, query: Query) -> Asked:
        """A query in the model's words and tokens."""
        conversation = self.chat.conversation(query)
        return Asked(query.images, conversation, self.chat.tail(conversation, query.continuation))


def lengthened(head: Mapping[str, Tensor], tokens: Sequence[int]) -> dict[str, Tensor]:
    """The same inputs with more tokens behind them, all of them words that are seen."""
    ids = head["input_ids"]
    more = torch.tensor([tokens], device=ids.device)
    behind = {"input_ids": more, "attention_mask": torch.ones_like(more)}
    return {
        name: torch.cat([one, behind.get(name, torch.zeros_like(more))], dim=1) if one.shape == ids.shape else one
        for name, one in head.items()
    }


def grouped(asked: Sequence[Asked]) -> list[list[Asked]]:
    """Questions with the same pictures and the same words up to them, in the order in which they first come."""
    found: dict[tuple[Any, ...], list[Asked]] = {}
    for one in asked:
        found.setdefault((one.conversation.head, *map(id, one.images)), []).append(one)
    return list(found.values())
