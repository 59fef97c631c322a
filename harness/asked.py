"""questions.jsonl: what a run asked about each picture, so that it can be read when the task has changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.json_lines import json_line, replace_text
from tasks.sample import Question, Sample


def write_questions(folder: Path, samples: Sequence[Sample]) -> None:
    """One line a sample: its questions with text, worth, group, tag and parents."""
    lines = [
        json_line({"sample": one.id, "questions": [told(question) for question in one.questions]}) for one in samples
    ]
    replace_text(folder / "questions.jsonl", "".join(lines))


def told(question: Question) -> dict[str, Any]:
    """A question as a line keeps it."""
    return {
        "id": question.id,
        "text": question.text,
        "worth": dict(question.worth),
        "group": question.group,
        "tag": question.tag,
        "needs": list(question.needs),
    }
