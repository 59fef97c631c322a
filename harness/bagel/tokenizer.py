"""Words to ids and back, and the marks that frame texts and images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from harness.bagel.config import SpecialTokens

BEGIN, END = "<|im_start|>", "<|im_end|>"
START_OF_IMAGE, END_OF_IMAGE = "<|vision_start|>", "<|vision_end|>"
"""Qwen2's own marks, used as BAGEL uses them."""


class TextCoder:
    """A `tokenizer.json` of the `tokenizers` library, with the four marks looked up once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        marks = (BEGIN, END, START_OF_IMAGE, END_OF_IMAGE)
        ids = {mark: number for mark in marks if (number := tokenizer.token_to_id(mark)) is not None}
        if len(ids) < len(marks):
            raise ValueError(f"the tokenizer lacks the marks {', '.join(mark for mark in marks if mark not in ids)}")
        self.special = SpecialTokens(ids[BEGIN], ids[END], ids[START_OF_IMAGE], ids[END_OF_IMAGE])

    @classmethod
    def read(cls, path: Path) -> TextCoder:
        """From a file; ValueError names one that cannot be read."""
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception for every fault of a file
            raise ValueError(f"{path} is not a usable tokenizer: {error}") from error

    def encode(self, text: str) -> list[int]:
        """Ids of a text between the begin and end marks."""
        return [self.special.begin, *self.tokenizer.encode(text, add_special_tokens=False).ids, self.special.end]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without marks."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text
