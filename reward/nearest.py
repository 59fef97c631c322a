"""nearest: the reading that takes a free answer to the choice whose words lie nearest to it (TIFA)."""

from __future__ import annotations

import importlib
from typing import Protocol

from reward.verdict import Verdict
from reward.verifier import Reply
from tasks.sample import Question

NAME = "nearest"
TOKENS = 20
"""Tokens of a free answer at most."""


class Encoder(Protocol):
    """Knows which of several texts lies nearest to another; `stand_in` names it where it is not the benchmark's own."""

    id: str
    stand_in: str

    def nearest(self, text: str, choices: list[str]) -> int:
        """The place of the nearest choice."""
        ...


class Nearest:
    """An answer that is one of the choices to the letter is that choice; any other is the one nearest to it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __call__(self, reply: Reply, question: Question, abstain_below: float) -> Verdict:  # noqa: ARG002 - as all readings
        said, choices = reply.text.strip(), list(question.worth)
        if not said:
            return Verdict(question.id, None, "", "parse_error", "the answer is empty", reply)
        chosen = said if said in choices else choices[self.encoder.nearest(said, choices)]
        return Verdict(question.id, question.worth[chosen], reply.text, reply=reply)


def open_nearest(pretrained: str) -> Nearest:
    """The reading by a sentence encoder; ValueError says why there is none."""
    if not pretrained:
        raise ValueError("the reading 'nearest' needs the option 'sentences': the checkpoint of a sentence encoder")
    try:
        return Nearest(importlib.import_module("reward.sentences").Sentences(pretrained))
    except ImportError:
        raise ValueError("the reading 'nearest' needs transformers: install image-harness[models]") from None
    except OSError as error:
        raise ValueError(f"the sentence encoder {pretrained} cannot be had: {error}".split("\n")[0]) from None
