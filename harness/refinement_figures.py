"""What refinement did to a run's pictures: before, after, and at what cost (method.md 2.6)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.gate import is_right
from harness.headline import PER_PROMPT, Rows, Rule, Value, metric, on_scale, planned_values, rule_of
from harness.paired import change_of, kept_values
from tasks.task import OVER_ANSWERS

Row = Mapping[str, Any]


def refinement_figures(run: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """The block `refinement` of results.json; pictures without a score, before or after, are in no figure.

    A picture that was left as it was drawn is its own before, so every share and difference is over all pictures.
    """
    made = [row for row in rows if row.get("refinement")]
    refined = [row for row in made if row["drafts"]]
    shares = [Value(row["sample"], (), float(bool(row["drafts"]))) for row in made]
    forwards = sum(row["refinement"]["forwards"] for row in made)
    return {
        "label": run["refinement"]["label"],
        "gate": run["refinement"]["gate"],
        "images": len(made),
        "refined": {"count": len(refined), "share": short(metric("refined", shares, PER_PROMPT))},
        "right": turned(run, made),
        "figures": [one for name in names_of(made) if (one := figure(name, run, made)) is not None],
        "cost": {
            "forwards": forwards,
            "forwards_per_image": forwards / len(made) if made else None,
            "seconds": math.fsum(row["refinement"]["seconds"] for row in made),
            "seconds_of_all": math.fsum(row["seconds"] for row in made),
        },
    }


def first_of(row: Row) -> Row:
    """The row as it would be had nothing been refined."""
    return {**row, **{name: row["drafts"][0].get(name) for name in ("score", "parts")}} if row["drafts"] else row


def names_of(rows: Rows) -> list[str]:
    """The figures: the score, then what it is made of."""
    return ["score", *sorted({part for row in rows if row["score"] is not None for part in row["parts"]})]


def turned(run: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """How many pictures were right before and after, mended and broken, of those of which both is known."""
    best = float(run["reward"]["range"][1])
    pairs = [
        (is_right(first["score"], first["parts"] or {}, best), is_right(row["score"], row["parts"], best))
        for row in rows
        for first in [first_of(row)]
    ]
    known = [pair for pair in pairs if None not in pair]
    return {
        "known": len(known),
        "before": sum(before is True for before, _ in known),
        "after": sum(after is True for _, after in known),
        "repaired": sum((before, after) == (False, True) for before, after in known),
        "broken": sum((before, after) == (True, False) for before, after in known),
    }


def figure(name: str, run: Mapping[str, Any], rows: Rows) -> dict[str, Any] | None:
    """One figure before and after with their paired difference; None where nothing can be compared."""
    rule = PER_PROMPT if run["task"]["headline"] in OVER_ANSWERS else rule_of(run["task"])
    low, high = run["reward"]["range"] if name == "score" else run["reward"].get("ranges", {}).get(name, (0.0, 1.0))
    span = (on_scale(run, low) or 0.0, on_scale(run, high) or 0.0)
    sides = [planned_values(name, run, [{**row, "parts": row["parts"] or {}} for row in some]) for some in (
        [first_of(row) for row in rows], rows
    )]  # fmt: skip
    kept = kept_values(sides)
    if not comparable(kept[0], rule):
        return None
    change = change_of(name, sides, rule, span, by_prompt=False)
    before, after = (short(metric(name, some, rule, span)) for some in kept)
    found = change.difference
    around = None if found.interval is None else asdict(found.interval)
    difference = {"value": found.value, "se": found.se, "ci": around, "p": found.p, "test": found.test}
    return {"name": name, "values": change.values, "before": before, "after": after, "difference": difference}


def comparable(values: Sequence[Value], rule: Rule) -> bool:
    """Whether every tag of the rule has a value, or there is any."""
    if rule.estimator != "tags":
        return bool(values)
    return set(rule.weights) <= {tag for one in values for tag in one.tags}


def short(figure: Mapping[str, Any]) -> dict[str, Any]:
    """A figure's value and interval."""
    return {name: figure[name] for name in ("value", "se", "ci")}
