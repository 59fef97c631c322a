"""wise-verified: WISE Verified (April 2026), one mark by Qwen3.5-35B-A3B; not comparable with wise-legacy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.data import hashes, read_file, version_of
from tasks.sample import Question
from tasks.scale import RIGHT_OR_WRONG
from tasks.task import Task, equal, rubric
from tasks.wise import ORIGIN, findings_of, rows_of, sample_of

CARD = Card(
    title="WISE Verified",
    kind="rubric",
    reading="marks (0/1)",
    combining="single mark",
    headline="weighted tags",
    judge="Qwen3.5-35B-A3B, thinking off",
    prompts=1000,
    images=1,
    calls=1000,
    origin=ORIGIN,
)
FILES = tuple(
    f"data_verified/{name}_verified.json"
    for name in ("cultural_common_sense", "spatio-temporal_reasoning", "natural_science")
)
LAST = {"culture": 400, "time": 520, "space": 640, "biology": 760, "physics": 880, "chemistry": 1000}
"""The last id of each tag."""
WEIGHTS = {"culture": 0.4, **dict.fromkeys(("time", "space", "biology", "physics", "chemistry"), 0.12)}


@dataclass(frozen=True, slots=True)
class Arguments:
    """By which rule tags are joined, and where the data are."""

    plain_mean: bool = False
    """The plain mean of the six tags instead of the weighted one."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    files = [read_file(ORIGIN, name, arguments.data) for name in FILES]
    rows = rows_of(files, arguments.any_version)
    questions = (Question("Score", "Score", RIGHT_OR_WRONG, "mark"),)
    return Task(
        name="wise-verified",
        version=version_of("1", files),
        split="test",
        samples=tuple(sample_of(row, questions, LAST) for row in rows),
        reward=rubric(
            "pooled",
            plain_mean=arguments.plain_mean,
            calls={"mark": {"template": "wise_verified.txt", "form": "lines", "max_tokens": 500}},
        ),
        headline="weighted tags",
        weights=equal(WEIGHTS) if arguments.plain_mean else WEIGHTS,
        licence=ORIGIN.licence,
        citation="Niu et al., WISE Verified, 2026",
        files=hashes(files),
        findings=tuple(findings_of(rows, LAST)),
    )
