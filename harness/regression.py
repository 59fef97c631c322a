"""Understanding before and after, paired on the documents of lm-eval's tasks (harness.md 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.change import Change
from harness.comparison import difference, pair
from harness.ending import Damaged
from harness.json_lines import json_line, read_lines, replace_text

FILE = "understanding.jsonl"
NEEDED = ("task", "doc_id", "doc_hash", "metric", "value")
Rows = Iterable[Mapping[str, Any]]


def write_understanding(folder: Path, rows: Rows) -> None:
    """One line a document and metric."""
    replace_text(folder / FILE, "".join(json_line({name: row[name] for name in NEEDED}) for row in rows))


def read_understanding(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder; none where understanding was not measured. Damaged names a value that is no number."""
    rows = read_lines(folder / FILE, NEEDED)
    for row in rows:
        if isinstance(row["value"], bool) or not isinstance(row["value"], int | float):
            raise Damaged(f"{folder / FILE}: the value of {row['task']} document {row['doc_id']} is no number")
    return rows


def changes(before: Rows, after: Rows) -> list[Change]:
    """One change a task and metric that both have; documents pair on id and hash, others are counted as lost."""
    one, other = by_task(before), by_task(after)
    shared = [name for name in one if name in other]
    return [change(name, one[name], other[name]) for name in sorted(shared)]


def by_task(rows: Rows) -> dict[str, dict[str, float]]:
    """Values by `task metric`, then by document."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        key = f"{row['doc_id']} {row['doc_hash']}"
        found.setdefault(f"{row['task']} {row['metric']}", {})[key] = float(row["value"])
    return found


def change(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> Change:
    """The change of one task; ValueError when no document is the same."""
    documents = sorted({*before, *after})
    pairs = pair(documents, [before.get(one) for one in documents], [after.get(one) for one in documents])
    if not pairs.prompts:
        raise ValueError(f"the runs asked no document of {name} in common")
    both = float(pairs.counts.sum())
    flipping = float((pairs.change != 0.0).mean())
    found = difference({"": pairs})
    return Change(
        name, float(pairs.before.sum()) / both, float(pairs.after.sum()) / both, found, len(pairs.prompts),
        flipping=flipping,
    )  # fmt: skip
