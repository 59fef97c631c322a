"""The verifier's side of the contract: queries in, replies out, same order and length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tasks.sample import Status

if TYPE_CHECKING:
    from PIL.Image import Image

VERIFIERS = {
    "pixels": "reward.verifier_pixels",
}
"""Verifier names; each module has a dataclass `Arguments` and a function `build(arguments) -> Verifier`."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question about images; `answers` are the words whose probability is wanted."""

    images: tuple[Image, ...]
    text: str
    answers: tuple[str, ...] = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the text, and the probability of each candidate first token as the verifier gave it."""

    status: Status
    text: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    served: str = ""
    """The identity that answered, as the server names it."""
    key: str = ""
    tries: int = 1
    seconds: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False


class Verifier(Protocol):
    """Answers questions about images; threads and connections stay inside.

    `id` enters the reward's id: name, revision, everything that can change an answer. `record` is what run.json keeps.
    """

    id: str
    record: Mapping[str, Any]

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; a failed query is a reply with that status, never an exception."""
        ...
