"""A query as the words of a chat, split behind its last picture: what all its questions share, and the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reward.chat_wire import is_yes_or_no
from reward.verifier import Query

if TYPE_CHECKING:
    from reward.shared_prefix import Tail


@dataclass(frozen=True, slots=True)
class Conversation:
    """The text up to the last picture, and the text after it."""

    head: str
    tail: str


class Chat:
    """The template of a model, and its tokenizer."""

    def __init__(self, processor: Any, auditor: str) -> None:
        self.tokenizer, self.image, self.auditor = processor.tokenizer, str(processor.image_token), auditor
        self.template = processor.chat_template or processor.tokenizer.chat_template
        if not self.template:
            raise ValueError("the checkpoint has no chat template, so nothing says how it is asked a question")

    def conversation(self, query: Query) -> Conversation:
        """The query in the model's template; `enable_thinking` is off where a template knows it."""
        text = self.tokenizer.apply_chat_template(
            self.messages(query), chat_template=self.template, tokenize=False, add_generation_prompt=True,
            enable_thinking=False,
        )  # fmt: skip
        head, mark, tail = text.rpartition(self.image)
        return Conversation(head + mark, tail)

    def messages(self, query: Query) -> list[dict[str, Any]]:
        """System message, earlier turns and the question; the pictures belong to the first turn of the user."""
        system = query.system or (self.auditor if is_yes_or_no(query) else "")
        turns = [*(turn for pair in query.earlier for turn in zip(("user", "assistant"), pair, strict=True))]
        turns.append(("user", query.text))
        found = [{"role": role, "content": [self.words(text)]} for role, text in turns]
        shown: list[Mapping[str, str]] = [{"type": "image"} for _ in query.images]
        first = found[0]["content"]
        found[0]["content"] = [*first, *shown] if query.text_first else [*shown, *first]
        return [{"role": "system", "content": [self.words(system)]}, *found] if system else found

    def words(self, text: str) -> dict[str, str]:
        """A text without the marks that mean something to the model."""
        for mark in self.tokenizer.all_special_tokens:
            text = text.replace(mark, "")
        return {"type": "text", "text": text}

    def tail(self, conversation: Conversation, answer: str = "") -> Tail:
        """The tokens after the picture; with an answer, logits are wanted where its tokens are foretold."""
        from reward.shared_prefix import Tail  # torch is needed from here on

        # the picture's mark stands in front, so that the words behind it are cut up as they are inside the whole text
        asked = self.tokenizer(self.image + conversation.tail, add_special_tokens=False).input_ids[1:]
        if not answer:
            return Tail(tuple(asked))
        told = self.answer(answer)
        return Tail((*asked, *told[:-1]), len(told))

    def answer(self, text: str) -> list[int]:
        """The tokens of an answer, without one that ends it; ValueError for an empty one."""
        found: list[int] = self.tokenizer(self.words(text)["text"], add_special_tokens=False).input_ids
        if not found:
            raise ValueError(f"the text {text[:40]!r} has no tokens, and so no likelihood")
        return found

    def adds_start(self, head: str) -> bool:
        """Whether the tokenizer has to put its first token before a text, which some templates bring themselves."""
        start = self.tokenizer.bos_token
        return not (start and head.startswith(start))
