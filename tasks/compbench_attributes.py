"""t2i-compbench-attributes: T2I-CompBench++, whether every thing has its own colour, shape or texture.

Three categories, each a task of its own: each noun phrase of the prompt is a question, an image is the product of their
shares of yes. The phrases are those that spaCy 3.8 with en_core_web_sm 3.8.0 finds (tasks/compbench_phrases.json);
those of another version go in with `phrases`. No figure of it is published with a source that can be checked, so there
is no golden row, and no fault that one would depend on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.compbench import CITATION, IMAGES, ORIGIN, read_prompts
from tasks.data import DataFile, hashes, local_file, version_of
from tasks.sample import YES, Question, Request, Sample
from tasks.task import RewardSpec, Task

CARD = Card(
    title="T2I-CompBench++ color, shape, texture",
    kind="questions",
    reading="share",
    combining="product",
    headline="mean",
    judge="BLIP-VQA, or any judge with first-token probabilities",
    prompts=300,
    images=IMAGES,
    calls=6780,
    origin=ORIGIN,
)
PHRASES = Path(__file__).parent / "compbench_phrases.json"
MOST = 8
"""Phrases of a prompt that are asked about."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which category is asked for."""

    category: Literal["color", "shape", "texture"] = "color"
    """color, shape or texture."""
    phrases: Path | None = None
    """A JSON file of the noun phrases of every prompt, in lists under the category's name, in the place of ours."""
    data: Path | None = None
    """Folder of the data file."""
    any_version: bool = False
    """Whether a file with other counts will do; its phrases are then yours to give."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    file, prompts = read_prompts(arguments.category, arguments.data, arguments.any_version)
    if arguments.phrases is None and not file.known:
        raise ValueError(f"{file.name} is not the file whose noun phrases are known: give them with phrases=FILE")
    phrases = local_file(arguments.phrases or PHRASES, f"phrases/{(arguments.phrases or PHRASES).name}")
    some = phrases_of(phrases, arguments.category, len(prompts))
    return Task(
        name=f"t2i-compbench-{arguments.category}",
        version=version_of("1", [file] if arguments.phrases is None else [file, phrases]),
        split="val",
        samples=tuple(sample_of(place, *pair) for place, pair in enumerate(zip(prompts, some, strict=True))),
        reward=RewardSpec(
            reading="share",
            combine="product",
            verifier="http",
            options={"abstain_below": 0.0, "min_answered": 1.0},
        ),
        images=CARD.images,
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes([file] if arguments.phrases is None else [file, phrases]),
    )


def phrases_of(file: DataFile, category: str, count: int) -> list[list[str]]:
    """The phrases of every prompt; ValueError for a file that holds others."""
    found: Any = file.json()
    rows = found.get(category) if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) != count or not all(rows):
        raise ValueError(f"{file.name} does not hold a list of phrases for each of the {count} prompts of {category}")
    return [[str(one) for one in row] for row in rows]


def sample_of(place: int, prompt: str, phrases: Sequence[str]) -> Sample:
    """A line of the file; ids count from 0, and a repeated phrase is two factors."""
    questions = [Question(f"p{number}", f"{phrase}?", YES) for number, phrase in enumerate(phrases[:MOST], start=1)]
    return Sample(f"{place:06d}", Request(prompt), tuple(questions))
