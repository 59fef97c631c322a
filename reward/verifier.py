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
    "tiny": "harness.verifier_tiny",
    "self": "harness.verifier_self",
    "local": "reward.verifier_local",
    "http": "reward.verifier_http",
    "http-batch": "reward.verifier_http_batch",
    "detector": "reward.verifier_detector",
    "ocr": "reward.verifier_ocr",
    "clip": "reward.verifier_clip",
    "style": "reward.verifier_style",
    "recorded": "reward.verifier_recorded",
}
"""Verifier names; each module has a dataclass `Arguments` and a function `build(arguments) -> Verifier`."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question about images; `answers` are the words whose probability is wanted, none for an answer in free text.

    Every field but the last can change the reply, so every other one belongs to the key of a cache.
    """

    images: tuple[Image, ...]
    text: str
    answers: tuple[str, ...] = ("yes", "no")
    max_tokens: int = 0
    """Longest answer; 0 leaves it to the verifier, which needs one token for an answer in one word."""
    system: str = ""
    """The system message, if there is one."""
    earlier: tuple[tuple[str, str], ...] = ()
    """Turns before this one: what was asked and what was answered. The images belong to the first of all turns."""
    text_first: bool = False
    """Whether the text stands before the images."""
    attempt: int = 0
    """How often the same was asked in vain: a reply that could not be read must not come back out of a cache."""
    continuation: str = ""
    """An answer whose log-likelihood is wanted in the place of one of the verifier's own (`Reply.log_likelihood`)."""
    about: tuple[str, int, str] = field(default=("", 0, ""), compare=False)
    """Sample, seed and question that it is asked for, for replays; no server is told."""


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
    log_likelihood: float | None = None
    """Mean log-likelihood a token, in nats, of the query's `continuation`, its end not counted."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Marks by name, in the place of a text: what a replay has of a reply whose marks were read long ago."""


class VerifierDown(Exception):
    """No further query can be answered; what was answered so far stands."""


class Verifier(Protocol):
    """Answers questions about images; threads and connections stay inside.

    The id enters the reward's id. A record's `likelihood` is true for a verifier that gives the log-likelihood of a
    continuation.
    """

    @property
    def id(self) -> str:
        """Name, revision, everything that can change an answer."""
        ...

    @property
    def record(self) -> Mapping[str, Any]:
        """What run.json keeps."""
        ...

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; a failed query is a reply with that status, never an exception.

        A verifier that is gone for good raises `VerifierDown`, at the first call after the one that lost it.
        """
        ...
