"""One figure before and after, judged: Holm's p over all of a command, and the gate (harness.md 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.comparison import Difference, Outcome, gate, holm
from harness.statistics import items_for_gate


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of two runs over the values both have, and their difference."""

    name: str
    before: float
    after: float
    difference: Difference
    values: int
    """Values compared."""
    span: tuple[float, float] = (0.0, 1.0)
    flipping: float = 0.0
    """Share of the values that differ."""
    adjusted: float | None = None
    """Holm's p over all of the command."""
    gate: Outcome | None = None
    needed: int | None = None
    """Values that would settle a gate that shows nothing."""


def judged(changes: Sequence[Change], margin: float | None) -> list[Change]:
    """The changes with their adjusted p and, where there is a margin in points, with their gate."""
    adjusted = holm([one.difference.p for one in changes])
    return [replace(_gated(one, margin), adjusted=p) for one, p in zip(changes, adjusted, strict=True)]


def _gated(one: Change, margin: float | None) -> Change:
    if margin is None:
        return one
    found = one.difference.interval
    outcome: Outcome = "not shown" if found is None else gate(found, margin, one.span)
    settles = outcome == "not shown" and one.flipping > 0.0
    return replace(one, gate=outcome, needed=items_for_gate(0.01 * margin, one.flipping) if settles else None)
