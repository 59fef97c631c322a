"""One call of a judge: its wording, the images that go in, and the form of the marks that come out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward.marks import FORMS
from reward.verifier import Query
from tasks.registry import unknown
from tasks.sample import Question, Response, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPTS = Path(__file__).parent / "prompts"
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
PICTURES = ("source", "image", "reference", "frames")
"""What can be shown: the images to edit, the image that is judged, pictures that the judge alone sees, and the images
to edit with the judged one among them, at the place that the sample's fact `frame` names, from 1."""


@dataclass(frozen=True, slots=True)
class Call:
    """How a judge is asked for the marks of one group of questions, or, without a form, for words to go on from."""

    template: str = ""
    """A file of reward/prompts; {prompt}, {questions} and the sample's facts by name are filled in."""
    text: str = ""
    """The wording itself, in the place of a file."""
    images: tuple[str, ...] = ("image",)
    form: str = "lines"
    """How marks are written: a name of `FORMS`; empty for a turn that only prepares another."""
    between: bool = False
    """Whether numbers between two marks of the scale count as well."""
    after: str = ""
    """Name of the call whose reply comes before this one, in one conversation."""
    max_tokens: int = 1000
    text_first: bool = False
    max_side: int = 0
    """Images are made smaller until no side is longer; 0 leaves them as they are."""
    match_source: bool = False
    """Whether the judged image is resized to the source's size."""

    def wording(self) -> str:
        """The text before anything is filled in."""
        return self.text or read_template(self.template)

    def record(self) -> dict[str, Any]:
        """The call as resolved, its wording as a hash."""
        told = {**asdict(self), "images": list(self.images)}
        told["text"] = hashlib.sha256(self.wording().encode()).hexdigest()
        return told


@lru_cache(maxsize=64)
def read_template(name: str) -> str:
    """A file of reward/prompts."""
    return (PROMPTS / name).read_text(encoding="utf-8").strip()


def read_call(name: str, given: Mapping[str, Any]) -> Call:
    """A call from a task's options; ValueError names what does not exist or is missing."""
    known = [one.name for one in fields(Call)]
    for key in given:
        if key not in known:
            raise ValueError(unknown(f"option of the call {name!r}", key, known))
    call = Call(**{**given, "images": tuple(given.get("images", ("image",)))})
    for picture in call.images:
        if picture not in PICTURES:
            raise ValueError(unknown(f"picture of the call {name!r}", picture, PICTURES))
    if call.form and call.form not in FORMS:
        raise ValueError(unknown("form of marks", call.form, FORMS))
    if bool(call.template) == bool(call.text):
        raise ValueError(f"the call {name!r} has either a template or a text")
    if call.template and not (PROMPTS / call.template).is_file():
        raise ValueError(unknown("template", call.template, [path.name for path in PROMPTS.glob("*.txt")]))
    return call


def render(call: Call, sample: Sample, questions: Sequence[Question]) -> str:
    """The wording filled in, in one pass: braces inside a prompt stay as they are."""
    listed = "\n".join(f"{place}. {question.text}" for place, question in enumerate(questions, start=1))
    facts = {**sample.reference, "prompt": sample.request.prompt, "questions": listed, "count": len(questions)}

    def fact(match: re.Match[str]) -> str:
        if match[1] not in facts:
            raise ValueError(f"sample {sample.id!r} has no {match[1]!r} to fill into the judge's wording")
        return str(facts[match[1]])

    return PLACEHOLDER.sub(fact, call.wording())


def shown(call: Call, sample: Sample, response: Response) -> tuple[Image, ...]:
    """The images of a call, in the order it names them."""
    judged = response.image
    sources = sample.request.sources
    if call.match_source and sources and judged.size != sources[0].size:
        judged = judged.resize(sources[0].size)
    before = int(sample.reference.get("frame", 1)) - 1
    frames = (*sources[:before], judged, *sources[before:])
    pictures = {"source": sources, "image": (judged,), "reference": sample.pictures, "frames": frames}
    return tuple(bounded(one, call.max_side) for name in call.images for one in pictures[name])


def bounded(image: Image, side: int) -> Image:
    """The image, made smaller where a side is longer than allowed."""
    if not side or max(image.size) <= side:
        return image
    width, height = (max(1, round(length * side / max(image.size))) for length in image.size)
    return image.resize((width, height))


def query_of(call: Call, sample: Sample, response: Response, questions: Sequence[Question], attempt: int) -> Query:
    """What the judge is asked."""
    return Query(
        images=shown(call, sample, response),
        text=render(call, sample, questions),
        answers=(),
        max_tokens=call.max_tokens,
        text_first=call.text_first,
        attempt=attempt,
    )
