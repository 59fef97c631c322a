"""geneval-plus: GenEval++, 280 prompts that join count, colour, region and size, judged by a vision-language model.

No published figures have a checkable source. The judge is asked with our own wording (reward/prompts/geneval_plus.txt)
and a checklist made from the metadata. A missing image and a failed call are unscored; `official` counts both as wrong,
as the released script does, so that its figure is ours named strict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.card import Card
from tasks.data import Origin, check_count, hashes, read_file, version_of
from tasks.sample import Question, Request, Sample
from tasks.scale import RIGHT_OR_WRONG
from tasks.task import Task, rubric

ORIGIN = Origin(
    "GenEval++", "yejy53/Echo-4o", "28f36d76558e5f53b9deceda78bf025ef0d0ea24", "Apache-2.0", free=True,
    prefix="test_scripts/",
)  # fmt: skip
CARD = Card(
    title="GenEval++",
    kind="rubric",
    reading="marks (0/1)",
    combining="single mark",
    headline="mean of 7 tags",
    judge="GPT-4.1",
    prompts=280,
    images=1,
    calls=280,
    origin=ORIGIN,
)
TAGS = (
    "color_attr",
    "counting",
    "color_count_attr",
    "color_spatial_attr",
    "spatial_count_attr",
    "multi_object_count_attr",
    "size_spatial_attr",
)
EACH = 40
"""Prompts of each tag."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """By which rule, and where the data are."""

    official: bool = False
    """Counts missing images and failed calls as wrong, as the released script does."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    file = read_file(ORIGIN, "Geneval++.jsonl", arguments.data)
    rows = file.records()
    counts = Counter(row["tag"] for row in rows)
    for tag in TAGS:
        check_count(file, f"prompts of {tag}", counts[tag], EACH, arguments.any_version)
    call = {"template": "geneval_plus.txt", "form": "json", "max_tokens": 300}
    return Task(
        name="geneval-plus",
        version=version_of("1", [file]),
        split="test",
        samples=tuple(sample_of(str(number), row) for number, row in enumerate(rows, start=1)),
        reward=rubric("pooled", calls={"mark": call}, official=arguments.official),
        headline="mean of tags",
        missing="zero",
        licence=ORIGIN.licence,
        citation="Ye et al. 2025, Echo-4o",
        files=hashes([file]),
    )


def sample_of(name: str, row: Mapping[str, Any]) -> Sample:
    """A line of the file, its metadata as a checklist that the judge alone sees."""
    lines = [f"- {expectation(one)}" for one in row["include"]]
    lines += [f"- no more than {one['count'] - 1} {one['class']}" for one in row.get("exclude", ())]
    question = Question("correct", "correct", RIGHT_OR_WRONG, "mark")
    return Sample(name, Request(row["prompt"]), (question,), (row["tag"],), {"checklist": "\n".join(lines)})


def expectation(asked: Mapping[str, Any]) -> str:
    """One object in words: number, size, colour, class, region."""
    told = [str(asked["count"]), asked.get("size", ""), asked.get("color", ""), asked["class"]]
    region = f", in the region: {asked['region']}" if asked.get("region") else ""
    return " ".join(filter(None, told)) + region
