"""geneval: objects, counts, colours and positions in 553 prompts, by a detector and fixed rules (djghosh13/geneval).

The rules and thresholds are official (reward/rules_geneval.py, held to 600 outcomes of the official code); an image is
right or wrong, a tag is the mean over its images, the figure the mean of six tags.
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
from tasks.task import RewardSpec, Task

ORIGIN = Origin("GenEval", "djghosh13/geneval", "af4902f24d3ca90ebbb446dd9891a59e0f82725f", "MIT", free=True)
CARD = Card(
    title="GenEval",
    kind="detector",
    reading="boxes, CLIP colour",
    combining="all",
    headline="mean of 6 tags",
    judge="Mask2Former Swin-S COCO, CLIP ViT-L/14",
    prompts=553,
    images=4,
    calls=2212,
    origin=ORIGIN,
)
PROMPTS = {
    "single_object": 80,
    "two_object": 99,
    "counting": 80,
    "colors": 94,
    "position": 100,
    "color_attr": 100,
}
"""Prompts of each tag."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the data are."""

    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    return load_file("geneval", ORIGIN, "prompts/evaluation_metadata.jsonl", arguments)


def load_file(name: str, origin: Origin, path: str, arguments: Arguments) -> Task:
    """The task that a file of GenEval's metadata makes."""
    file = read_file(origin, path, arguments.data)
    rows = file.records()
    counts = Counter(row["tag"] for row in rows)
    for tag, count in PROMPTS.items():
        check_count(file, f"prompts of {tag}", counts[tag], count, arguments.any_version)
    return Task(
        name=name,
        version=version_of("1", [file]),
        split="test",
        samples=tuple(sample_of(f"{number:05d}", row) for number, row in enumerate(rows)),
        reward=RewardSpec(kind="detector", reading="geneval", combine="all", verifier="detector"),
        headline="mean of tags",
        images=4,
        licence=origin.licence,
        citation="Ghosh et al. 2023, arXiv:2310.11513",
        files=hashes([file]),
    )


def sample_of(name: str, row: Mapping[str, Any]) -> Sample:
    """A line of the metadata: its clauses are the questions, its lists the reference."""
    questions = []
    for place, asked in enumerate(row["include"]):
        thing, count = asked["class"], asked["count"]
        questions.append(Question(f"count {place}", f"Is the number of {thing} at least {count}?", tag="count"))
        if "color" in asked:
            questions.append(Question(f"colour {place}", f"Is the {thing} {asked['color']}?", tag="colour"))
        if "position" in asked:
            relation, target = asked["position"]
            other = row["include"][target]["class"]
            text = f"Is the {thing} {relation} the {other}?"
            questions.append(Question(f"position {place}", text, tag="position"))
    for place, asked in enumerate(row.get("exclude", ())):
        text = f"Is the number of {asked['class']} below {asked['count']}?"
        questions.append(Question(f"not {place}", text, tag="count"))
    reference = {key: row[key] for key in ("tag", "include", "exclude") if key in row}
    return Sample(name, Request(row["prompt"]), tuple(questions), (row["tag"],), reference)
