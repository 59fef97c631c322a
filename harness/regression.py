"""Understanding before and after, paired on the documents of lm-eval's tasks (harness.md 6)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.change import Change, judged
from harness.comparison import difference, pair
from harness.ending import Damaged
from harness.json_lines import json_line, read_lines, replace_text

FILE = "understanding.jsonl"
NEEDED = ("task", "doc_id", "doc_hash", "metric", "value")
MARGIN = 1.0
"""Points that may be lost where nobody says otherwise."""
Rows = Iterable[Mapping[str, Any]]


def write_understanding(folder: Path, rows: Rows) -> None:
    """One line a document and metric; `before` where a baseline was asked for."""
    kept = (*NEEDED, "before")
    replace_text(folder / FILE, "".join(json_line({name: row[name] for name in kept if name in row}) for row in rows))


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


def beside(rows: Rows, baseline: Path | None) -> list[dict[str, Any]]:
    """The rows, where there is a baseline each with its value `before` of the same document, None where it has none."""
    if baseline is None:
        return list(map(dict, rows))
    known = {identity(one): one["value"] for one in read_understanding(baseline)}
    return [{**one, "before": known.get(identity(one))} for one in rows]


def identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Which value a row holds."""
    return tuple(row[name] for name in ("task", "doc_id", "doc_hash", "metric"))


def figures(rows: Sequence[Mapping[str, Any]], margin: float) -> dict[str, Any] | None:
    """results.json's `understanding`: of each task and metric its value, and its change where there is a baseline.

    A task of which the baseline has no document is not shown to have lost nothing.
    """
    if not rows:
        return None
    before = [{**one, "value": one["before"]} for one in rows if one.get("before") is not None]
    found = {one.name: one for one in judged(changes(before, rows), margin)} if before else {}
    shown = {name: figure(list(values.values()), found.get(name)) for name, values in sorted(by_task(rows).items())}
    if any("before" in one for one in rows):
        shown |= {
            name: {**one, "gate": "not shown", "passed": False} for name, one in shown.items() if name not in found
        }
    return shown


def figure(values: Sequence[float], change: Change | None) -> dict[str, Any]:
    """Mean over documents with its standard error; `passed` is None where nothing was compared."""
    count = len(values)
    alone: dict[str, Any] = {
        "value": math.fsum(values) / count,
        "se": float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else None,
        "n": count,
        "difference": None,
        "interval": None,
        "p": None,
        "gate": None,
        "passed": None,
    }
    if change is None:
        return alone
    around = change.difference.interval
    return {
        **alone,
        "difference": change.difference.value,
        "interval": {"low": around.low, "high": around.high} if around else None,
        "p": change.adjusted,
        "gate": change.gate,
        "passed": change.gate == "passed",
    }


def failed(understanding: Mapping[str, Any] | None) -> bool:
    """Whether a task was compared and its gate not passed."""
    return any(one["passed"] is False for one in (understanding or {}).values())


def told(understanding: Mapping[str, Any]) -> list[str]:
    """`scenes-vqa exact_match: 0.912 over 624 documents; -0.007 [-0.020, +0.006]: not shown`"""
    lines = []
    for name, one in understanding.items():
        line = f"{name}: {one['value']:.3f} over {one['n']} documents"
        if one["gate"] is not None:
            line += f"; {moved(one)}: {one['gate']}"
        lines.append(line)
    return lines


def moved(one: Mapping[str, Any]) -> str:
    """`-0.007 [-0.020, +0.006]`"""
    if one["difference"] is None:
        return "no document of the baseline"
    around = one["interval"]
    return f"{one['difference']:+.3f}" + (f" [{around['low']:+.3f}, {around['high']:+.3f}]" if around else "")
