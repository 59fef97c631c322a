"""Published figures recomputed from their own printed columns by our headlines: ours, published, difference.

Every image or mark of a tag gets the tag's printed figure, in the benchmark's own counts; the headline's rule does the
rest. `python -m benchmarks.published` prints the table and fails where a difference is larger than printing explains.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.headline import PER_PROMPT, POOLED, Rule, Value, estimate
from tasks import imgedit, kris, rise, wise_legacy, wise_verified

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "published.json"
GENEVAL = {
    "single_object": 80, "two_object": 99, "counting": 80, "colors": 94, "position": 100, "color_attr": 100
}  # fmt: skip
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a benchmark's figures are formed: the headline's rule, values under each tag, and the wider tag of each."""

    rule: Rule
    counts: Counts
    wider: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One published figure and ours."""

    task: str
    model: str
    figure: str
    ours: float
    published: float
    within: float
    note: str

    @property
    def difference(self) -> float:
        """Ours less the published one."""
        return self.ours - self.published

    @property
    def agrees(self) -> bool:
        """Whether the difference is no larger than printing and the note explain."""
        return abs(self.difference) <= self.within + 1e-9


def equal(counts: Counts) -> Rule:
    """The mean of tags."""
    return Rule("tags", dict.fromkeys(counts, 1 / len(counts)))


def by_last(last: Counts) -> dict[str, int]:
    """Items of each tag, from the last id of each."""
    ends = [0, *last.values()]
    return {tag: end - start for tag, start, end in zip(last, ends, ends[1:], strict=False)}


def kris_plan() -> Plan:
    """Marks of each category under its meta category: three an item, four where knowledge is asked for."""
    counts = {
        category: sum(items * (4 if kind in kris.KNOWING else 3) for kind, items in kinds.items())
        for (_, category), kinds in kris.TYPES.items()
    }
    return Plan(POOLED, counts, {category: meta for meta, category in kris.TYPES})


def wise_plan(last: Counts, weights: Mapping[str, float], plain: bool) -> Plan:
    """Tags by id range, with the published weights or the plain mean."""
    counts = by_last(last)
    return Plan(equal(counts) if plain else Rule("tags", weights), counts, {})


PLANS: Mapping[str, Callable[[Mapping[str, Any]], Plan]] = {
    "geneval": lambda _: Plan(equal(GENEVAL), GENEVAL, {}),
    "geneval2": lambda _: Plan(PER_PROMPT, {f"atomicity {number:02d}": 100 for number in range(3, 11)}, {}),
    "wise-legacy": lambda given: wise_plan(wise_legacy.LAST, wise_legacy.WEIGHTS, given.get("plain_mean", False)),
    "wise-verified": lambda given: wise_plan(wise_verified.LAST, wise_verified.WEIGHTS, given.get("plain_mean", False)),
    "imgedit": lambda given: Plan(
        PER_PROMPT if given.get("per_image") else equal(imgedit.COUNTS), imgedit.COUNTS, {}
    ),
    "kris-bench": lambda _: kris_plan(),
    "risebench": lambda _: Plan(PER_PROMPT, rise.COUNTS["360"], {}),
}  # fmt: skip


def lines_of(row: Mapping[str, Any]) -> list[Line]:
    """Every published figure of one golden row beside ours; ValueError for a tag that has no figure."""
    plan = PLANS[row["task"]](row.get("arguments", {}))
    if set(row["figures"]) != set(plan.counts):
        raise ValueError(f"the golden row of {row['model']} on {row['task']} has other tags than the benchmark")
    values = [
        Value(f"{tag}/{place}", (tag, *([plan.wider[tag]] if tag in plan.wider else [])), row["figures"][tag])
        for tag, count in plan.counts.items()
        for place in range(count)
    ]
    found = []
    for figure, published in row["published"].items():
        some = values if figure == "headline" else [one for one in values if figure in one.tags]
        ours = estimate(some, plan.rule)[0].value
        if ours is None:
            raise ValueError(f"{figure} of {row['model']} on {row['task']} has no value")
        note = row.get("note", "")
        found.append(Line(row["task"], row["model"], figure, ours, published, row["within"], note))
    return found


def parity() -> list[Line]:
    """The parity table of all golden rows."""
    rows = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return [line for row in rows for line in lines_of(row)]


def main() -> int:
    """Prints the parity table; 1 where a figure disagrees."""
    print(f"{'task':15} {'model':22} {'figure':12} {'ours':>9} {'published':>9} {'difference':>10}")
    for one in parity():
        end = "" if one.agrees else "  DISAGREES"
        told = (
            f"{one.task:15} {one.model:22} {one.figure:12} {one.ours:9.4f} {one.published:9.4f} {one.difference:10.4f}"
        )
        print(f"{told}{end}{f'  ({one.note})' if one.note else ''}")
    return 0 if all(one.agrees for one in parity()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
