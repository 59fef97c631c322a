"""Who may be ranked with whom: entries that agree on benchmarks.md 22, each other kind in a table of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.identity import hash_of
from leaderboards.agreement import FIELDS, differing
from leaderboards.entry import Entry
from leaderboards.letters import letters

FLOOR = 0.98
"""The coverage of images, of answers and of every tag below which an entry has no rank, only its bounds."""
REWRITINGS = {"geneval-rewritten": "geneval"}
"""Tasks that ask another's prompts in other words: whoever was trained on either has seen both."""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in a table; no rank where `reason` says why."""

    entry: Entry
    rank: int | None
    letters: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Entries that agree, the best first, then those without a rank."""

    lines: tuple[Line, ...]
    comparisons: int
    """Paired tests that the letters rest on"""
    apart: str = ""
    """What keeps this table from the first one of its task"""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What all entries share."""
        shared: Mapping[str, Any] = self.lines[0].entry.content["facts"]
        return shared


def rankings(entries: Sequence[Entry]) -> list[Ranking]:
    """The tables of all entries: by task, and of each task the largest first."""
    kinds: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        kinds.setdefault((entry.task, hash_of(entry.content["facts"])), []).append(entry)
    found: dict[str, list[list[Entry]]] = {}
    for (task, _), some in sorted(kinds.items(), key=lambda kind: (kind[0][0], -len(kind[1]), kind[0][1])):
        found.setdefault(task, []).append(some)
    return [ranking(some, groups[0]) for _, groups in sorted(found.items()) for some in groups]


def ranking(entries: Sequence[Entry], first: Sequence[Entry]) -> Ranking:
    """One table of entries that agree; `first` is the largest table of the same task."""
    reasons = {entry.id: reason(entry) for entry in entries}
    ranked = sorted((one for one in entries if not reasons[one.id]), key=merit)
    told, comparisons = letters(ranked)
    values = [one.headline["value"] for one in ranked]
    lines = [Line(one, 1 + values.index(value), name) for one, value, name in zip(ranked, values, told, strict=True)]
    rest = sorted((one for one in entries if reasons[one.id]), key=merit)
    lines += [Line(one, None, "", reasons[one.id]) for one in rest]
    apart = (
        differing(first[0].content["facts"], entries[0].content["facts"], tuple(FIELDS)) if entries is not first else ""
    )
    return Ranking(tuple(lines), comparisons, apart)


def merit(entry: Entry) -> tuple[float, str, str]:
    """What entries are sorted by: the figure, then the name."""
    value = float(entry.headline["value"])
    return (-value if entry.headline["higher_is_better"] else value, entry.content["label"], entry.id)


def reason(entry: Entry) -> str:
    """Why an entry is not ranked with those that it agrees with; nothing when it is."""
    return leak(entry) or gap(entry)


def gap(entry: Entry) -> str:
    """Which coverage is below the floor; values counted as the worst, for parity, have none."""
    if entry.content["facts"]["missing"] != "exclude":
        return ""
    coverage = {f"of {name}": one["fraction"] for name, one in entry.content["coverage"].items() if one["planned"]}
    tags = entry.content["tags"].items()
    coverage |= {f"under {tag}": one["scored"] / one["planned"] for tag, one in tags if one["planned"]}
    below = {name: share for name, share in coverage.items() if share < FLOOR}
    return "".join(f"coverage {name} is {share:.1%}, below {FLOOR:.0%}" for name, share in list(below.items())[:1])


def leak(entry: Entry) -> str:
    """Which training data name the benchmark, its rewriting or its prompts."""
    facts = entry.content["facts"]
    split = f"{facts['task']} {facts['split']}".strip()
    for one in entry.content["trained_on"]:
        name = one.partition(" ")[0].partition("@")[0]
        if family(name) == family(facts["task"]) and (
            " " not in one or one.replace(f"@{facts['version']}", "") == split
        ):
            return f"trained on {one}"
    overlap = (entry.content["training"] or {}).get("prompt_overlap") or {}
    return f"trained on {overlap['exact']} of its prompts" if overlap.get("exact") else ""


def family(task: str) -> str:
    """The benchmark whose prompts a task asks."""
    return REWRITINGS.get(task, task)
