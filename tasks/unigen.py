"""unigenbench: UniGenBench++, 27 fine-grained dimensions in short and long prompts, English and Chinese.

All test points of an image are judged in one call, each by our own one-line definition of its dimension. Answers are
pooled within each of the ten primary dimensions. The published board prints totals alone, for pictures that are not
part of the data, so there is no golden row. Chinese names of dimensions are told in English, so that tables agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, hashes, read_file, version_of
from tasks.sample import Question, Request, Sample
from tasks.scale import RIGHT_OR_WRONG
from tasks.task import Task, equal, rubric
from tasks.unigen_dimension import CHINESE, DEFINITIONS, PRIMARIES

ORIGIN = Origin(
    "UniGenBench", "CodeGoat24/UniGenBench", "49d0bcebb0b9418d975d3957c2fee10f34811d14", "CC BY 4.0", free=True
)
CARD = Card(
    title="UniGenBench++",
    kind="rubric",
    reading="marks (0/1), a list for all test points",
    combining="pooled by primary dimension",
    headline="mean of 10 tags x 100",
    judge="Gemini-2.5-Pro, or the authors' Qwen judges",
    prompts=600,
    images=4,
    calls=2400,
    origin=ORIGIN,
)
POINTS = {"en": 1813, "zh": 1813, "en_long": 3920, "zh_long": 3920}
"""Test points of each split."""
FIELDS = {"en": ("Testpoints", "Testpoint Description"), "zh": ("考点", "考点对应描述")}
BROKEN, MENDED = '"Grammar - Negation" "Attribute - Color"', '"Grammar - Negation", "Attribute - Color"'
"""What one cell of en_long holds, and what was meant."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which prompts are asked for."""

    split: Literal["en", "en_long", "zh", "zh_long"] = "en"
    """Language and length of the prompts."""
    data: Path | None = None
    """Folder of the data file."""
    any_version: bool = False
    """Whether a file with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    file = read_file(ORIGIN, f"data/test_prompts_{arguments.split}.csv", arguments.data)
    rows = file.table()
    samples = tuple(sample_of(file, row, arguments.split[:2]) for row in rows)
    check_count(file, "prompts", len(samples), CARD.prompts, arguments.any_version)
    points = sum(len(one.questions) for one in samples)
    check_count(file, "test points", points, POINTS[arguments.split], arguments.any_version)
    return Task(
        name="unigenbench",
        version=version_of("1", [file]),
        split=arguments.split,
        samples=samples,
        reward=rubric(
            "pooled", calls={"points": {"template": "unigen.txt", "form": "tagged lists", "max_tokens": 4000}}
        ),
        headline="pooled by tag",
        weights=equal(PRIMARIES),
        images=CARD.images,
        scale=100.0,
        licence=ORIGIN.licence,
        citation="Wang et al., UniGenBench++, 2025; (c) 2025 Tencent",
        files=hashes([file]),
        findings=tuple(findings_of(rows, arguments.split[:2])),
    )


def points_of(file: DataFile, row: Mapping[str, str], language: str) -> list[tuple[str, str]]:
    """Dimension and description of each test point; ValueError names a row that holds none."""
    cell = row[f"sub_dims_{language}"].replace(BROKEN, MENDED)
    try:
        told: Mapping[str, Any] = json.loads(cell)
        names, words = (told[field] for field in FIELDS[language])
        return [(CHINESE.get(name, name), text) for name, text in zip(names, words, strict=True)]
    except (ValueError, KeyError) as error:
        raise ValueError(f"the test points of prompt {row['index']} of {file.name} cannot be read: {error}") from None


def sample_of(file: DataFile, row: Mapping[str, str], language: str) -> Sample:
    """A prompt with its test points, and the definitions of their dimensions for the judge."""
    points = points_of(file, row, language)
    for name, _ in points:
        if name not in DEFINITIONS:
            raise ValueError(f"prompt {row['index']} of {file.name} has the unknown test point {name!r}")
    questions = tuple(
        Question(f"p{place}", f"{name}: {words}", RIGHT_OR_WRONG, "points", name)
        for place, (name, words) in enumerate(points, start=1)
    )
    definitions = "\n".join(f"- {name}: {DEFINITIONS[name]}" for name in dict(points))
    return Sample(row["index"], Request(row[f"prompt_{language}"]), questions, (), {"definitions": definitions})


def findings_of(rows: list[dict[str, str]], language: str) -> list[str]:
    """Cells that are no JSON as they stand, and dimensions that a prompt names twice."""
    found = []
    for row in rows:
        cell = row[f"sub_dims_{language}"]
        if BROKEN in cell:
            found.append(f"prompt {row['index']}: a comma is missing between two test points; it is read as if there")
        names = json.loads(cell.replace(BROKEN, MENDED))[FIELDS[language][0]]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        found += [f"prompt {row['index']}: has the test point {name!r} twice; both count" for name in twice]
    return found
