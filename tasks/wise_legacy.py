"""wise-legacy: WISE, implicit world knowledge, with three marks by GPT-4o; not comparable with wise-verified.

`plain_mean` heads with the plain mean of the six tags, as other papers do. `official` reads replies as released: the
last mark behind a name counts, and bare lines do where there is no name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.card import Card
from tasks.data import hashes, read_file, version_of
from tasks.sample import Question
from tasks.scale import whole_marks
from tasks.task import Task, equal, rubric
from tasks.wise import ORIGIN, findings_of, rows_of, sample_of

CARD = Card(
    title="WISE legacy",
    kind="rubric",
    reading="marks 0-2",
    combining="weighted mean .7/.2/.1",
    headline="weighted tags",
    judge="gpt-4o-2024-05-13",
    prompts=1000,
    images=1,
    calls=1000,
    origin=ORIGIN,
)
FILES = ("cultural_common_sense", "spatio-temporal_reasoning", "natural_science")
LAST = {"culture": 400, "time": 567, "space": 700, "biology": 800, "physics": 900, "chemistry": 1000}
"""The last id of each tag."""
WEIGHTS = {"culture": 0.4, "time": 0.167, "space": 0.133, "biology": 0.1, "physics": 0.1, "chemistry": 0.1}
MARKS = {"Consistency": 0.7, "Realism": 0.2, "Aesthetic Quality": 0.1}
"""The marks and their weights."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which prompts are asked for, and by which rule tags are joined."""

    split: Literal["test", "rewritten"] = "test"
    """test, or rewritten for the prompts with their knowledge spelled out, which is a task of its own."""
    official: bool = False
    """The released, looser reading of replies."""
    plain_mean: bool = False
    """The plain mean of the six tags, for comparing with papers that print it."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    rewritten, form = arguments.split == "rewritten", "last marks" if arguments.official else "lines"
    names = [f"WISE_legacy/data/{name}{'_rewrite' if rewritten else ''}.json" for name in FILES]
    files = [read_file(ORIGIN, name, arguments.data) for name in names]
    rows = rows_of(files, arguments.any_version)
    questions = tuple(Question(name, name, whole_marks(0, 2), "marks", name) for name in MARKS)
    return Task(
        name="wise-legacy-rewritten" if rewritten else "wise-legacy",
        version=version_of("1", files),
        split="test",
        samples=tuple(sample_of(row, questions, LAST) for row in rows),
        reward=rubric(
            "weighted",
            weights=MARKS,
            official=arguments.official,
            plain_mean=arguments.plain_mean,
            calls={"marks": {"template": "wise_legacy.txt", "form": form, "max_tokens": 2000}},
        ),
        headline="weighted tags",
        weights=equal(WEIGHTS) if arguments.plain_mean else WEIGHTS,
        answer_tags=True,
        licence=ORIGIN.licence,
        citation="Niu et al., WISE, 2025",
        files=hashes(files),
        findings=tuple(findings_of(rows, LAST)),
    )
