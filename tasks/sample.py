"""The data that travels: what a model is asked, what it answered, and what a verifier will be asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Status = Literal[
    "ok", "transport_error", "timeout", "parse_error", "refused", "missing_image", "generation_error", "skipped"
]
"""What became of one image or one question; only `ok` carries a value."""

YES: Mapping[str, float] = MappingProxyType({"yes": 1.0})
"""The worth of a question for which yes is good and no is worth nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """All that a model ever sees: a prompt and, for editing, the images to edit."""

    prompt: str
    sources: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One small verifiable question; `worth` maps accepted answers to values, `needs` names its parents."""

    id: str
    text: str
    worth: Mapping[str, float] = field(default_factory=lambda: YES)
    group: str = "semantic"
    tag: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a task; `reference` holds facts and `pictures` images for the verifier alone."""

    id: str
    request: Request
    questions: tuple[Question, ...]
    tags: tuple[str, ...] = ()
    reference: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no image or no value; `status` is never `ok`."""

    status: Status
    message: str

    def __post_init__(self) -> None:
        if self.status == "ok":
            raise ValueError("a failure cannot have the status 'ok'")


@dataclass(frozen=True, slots=True)
class Draft:
    """An earlier round: the image drawn and what the model wrote about it."""

    image: Image
    reflection: str


@dataclass(frozen=True, slots=True)
class Refinement:
    """By which rule an image was refined or left as it was, and what that cost; each draft is one refinement."""

    gate: str
    """What decided which images are refined: all, self, verifier or oracle"""
    rounds: int
    """Refinements at most"""
    reflection: str
    """How a reflection was asked for"""
    verdict: str = ""
    """What the model said of the final image, where that ended its refinement"""
    forwards: int = 0
    """Forward passes of the network that reflecting and drawing again took"""
    seconds: float = 0.0
    """What all this took, the gate's decision among it; the share of one image of its batch"""


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered: the final image, its thought, and its earlier rounds."""

    image: Image
    thought: str = ""
    drafts: tuple[Draft, ...] = ()
    tokens: tuple[int, int] = (0, 0)
    """Sent and drawn, as a server counts them"""
    refinement: Refinement | None = None
    """None where a model was asked to draw once"""


@dataclass(frozen=True, slots=True)
class Generation:
    """One attempt at one sample: a response, or the failure that stands in its place."""

    sample: Sample
    seed: int
    response: Response | None
    error: Failure | None = None

    def __post_init__(self) -> None:
        if (self.response is None) == (self.error is None):
            raise ValueError("a generation has either a response or an error")
