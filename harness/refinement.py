"""What passes between a model that can look at its own pictures and what lets it draw them again (method.md 2.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from harness.model import Model

if TYPE_CHECKING:
    from PIL.Image import Image

Template = Literal["open", "assert_failure"]
TEMPLATES: tuple[Template, ...] = ("open", "assert_failure")
"""How a reflection is asked for: whether the picture satisfies the prompt, or what is wrong with it (method.md 2.3)."""

GateName = Literal["all", "self", "verifier", "oracle"]
GATES: Mapping[GateName, str] = {
    "all": "every image",
    "self": "those of which the model itself does not say that nothing is wrong",
    "verifier": "those that a verifier finds below a threshold",
    "oracle": "those that the benchmark's own scorer marks wrong: an upper bound, no result",
}
"""Names of gates, and the images that each lets be refined."""


@dataclass(frozen=True, slots=True)
class Round:
    """One picture of a conversation and what the model wrote about it."""

    picture: Image
    words: tuple[int, ...] = ()
    """Token ids as they were sampled, none before it wrote: text that is tokenised again may be another"""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A prompt, the pictures drawn of it so far, and what was said of each."""

    prompt: str
    template: Template
    rounds: tuple[Round, ...]


@dataclass(frozen=True, slots=True)
class Reflection:
    """What the model wrote about the last picture of a conversation."""

    text: str
    words: tuple[int, ...]
    satisfied: bool
    """Whether it says that nothing is wrong"""
    forwards: int
    """Forward passes of the network that this took"""


@dataclass(frozen=True, slots=True)
class Redrawn:
    """The picture after a reflection."""

    picture: Image
    forwards: int


@runtime_checkable
class Reflective(Model, Protocol):
    """A model that can look at what it drew."""

    def template_digest(self, template: Template) -> str:
        """SHA-256 of a request to reflect; ValueError where these weights or prompts lack what reflecting needs."""
        ...

    def reflect(self, conversations: Sequence[Conversation], seeds: Sequence[int]) -> list[Reflection]:
        """What is written about each last picture, in order; one text depends on its conversation and seed alone."""
        ...

    def redraw(self, conversations: Sequence[Conversation], seeds: Sequence[int]) -> list[Redrawn]:
        """The next picture of conversations whose last picture has been written about."""
        ...
