"""How what has no value enters a figure: left out, or for parity counted as the worst there is (harness.md 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.headline import Rows


def counts_as_nothing(run: Mapping[str, Any]) -> bool:
    """Whether a missing value is the worst one: always, or because the official script does so and is followed."""
    chosen = run.get("missing", "exclude")
    followed = chosen == "official" or run["reward"].get("options", {}).get("official", False)
    return bool(chosen == "zero" or (followed and run["task"].get("missing") == "zero"))


def counted(run: Mapping[str, Any], rows: Rows, verdicts: Rows) -> tuple[Rows, Rows]:
    """Rows of images and verdicts as figures are made of them; the record itself keeps what is missing."""
    if not counts_as_nothing(run):
        return rows, verdicts
    ranges: Mapping[str, Any] = run["reward"].get("ranges", {})
    worst = {part: float(ranges.get(part, (0.0, 1.0))[0]) for row in rows for part in row["parts"]}
    low = float(run["reward"]["range"][0])
    images = [
        row if row["score"] is not None else {**row, "score": low, "parts": {**worst, **known(row["parts"])}}
        for row in rows
    ]
    answered = {(one["sample"], one["index"], one["question"]): one for one in verdicts if one["value"] is not None}
    asked = run["task"].get("answers", {})
    answers = [
        answered.get((row["sample"], row["index"], one), nothing(row, one))
        for row in rows
        for ids in asked.get(row["sample"], {}).values()
        for one in ids
    ]
    return images, answers


def known(parts: Mapping[str, float | None]) -> dict[str, float]:
    """The parts that have a value."""
    return {name: value for name, value in parts.items() if value is not None}


def nothing(row: Mapping[str, Any], question: str) -> dict[str, Any]:
    """A question of an image, answered as badly as can be."""
    return {"sample": row["sample"], "index": row["index"], "question": question, "value": 0.0}
