"""What `harness compare` prints: a table a task, and below it what was compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.change import Change
from harness.table import WIDTH
from leaderboards.contrast import Contrast


def signed(value: float) -> str:
    """`+0.041`"""
    return f"{value:+.3f}"


def told_interval(change: Change) -> str:
    """`+0.041 [+0.012, +0.070]`, without brackets where one prompt gives no interval."""
    found = change.difference
    around = "" if found.interval is None else f" [{signed(found.interval.low)}, {signed(found.interval.high)}]"
    return signed(found.value) + around


def p_text(value: float | None) -> str:
    """`.012`, `< .001`, or a dash."""
    if value is None:
        return "-"
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0") if value < 1.0 else "1"


def change_row(change: Change, alpha: float) -> list[str]:
    """The cells of one change."""
    mark = " *" if change.adjusted is not None and change.adjusted < alpha else ""
    gate: str = change.gate or "-"
    if change.needed is not None:
        gate += f" (about {change.needed:,} values would settle it)"
    tested = [p_text(change.difference.p), p_text(change.adjusted) + mark] if change.adjusted is not None else ["", ""]
    figures = [f"{change.before:.3f}", f"{change.after:.3f}", told_interval(change)]
    return [change.name, str(change.difference.prompts), *figures, *tested, gate if change.adjusted is not None else ""]


def table_of(title: str, changes: Sequence[Change], alpha: float, section: int = 0) -> Table:
    """One row a change; a line below the first `section` rows."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure", no_wrap=True)
    for name in ("prompts", "before", "after", "difference [95 %]", "p", "Holm p", "gate"):
        table.add_column(name, justify="right" if name != "gate" else "left")
    for number, change in enumerate(changes, start=1):
        table.add_row(*change_row(change, alpha), end_section=number == section)
    return table


def notes(one: Contrast) -> list[str]:
    """What was compared, and how the images and the answers turned."""
    found = one.headline.difference
    seeds = "same seeds" if one.same_seeds else "other seeds, so the means of prompts are paired"
    lost = f", {found.lost} values only one run has" if found.lost else ""
    lines = [f"{one.headline.values} values of {found.prompts} prompts, {seeds}{lost}; {found.test}"]
    if one.detectable is not None:
        lines.append(f"a difference of {one.detectable:.3f} would be found in 80 % of such comparisons")
    lines.append(f"images: {one.gained} better, {one.lost} worse, {one.equal} equal")
    if sum(one.answers.values()):
        lines.append("questions: " + ", ".join(f"{count} {name}" for name, count in one.answers.items()))
    return lines


def print_contrasts(
    found: Sequence[Contrast], understood: Sequence[Change], margin: float | None, alpha: float
) -> None:
    """All tables on stdout."""
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(width=WIDTH, markup=False)
    for one in found:
        console.print(table_of(one.task, [one.headline, *one.tags], alpha, section=1))
        for line in notes(one):
            console.print(line, soft_wrap=True, highlight=False)
    if understood:
        console.print(table_of("understanding", understood, alpha))
    count = len(found) + len(understood)
    told = f"{count} comparison{'s' if count > 1 else ''}, p adjusted by Holm; * below {alpha:g}; tags are not tested"
    if margin is not None:
        told += f"; gate: the interval must lie above -{margin:g} points (1 point = .01 of the range)"
    console.print(told, soft_wrap=True, highlight=False)


def as_record(one: Contrast) -> dict[str, Any]:
    """A comparison as JSON."""
    return {**asdict(one), "detectable": one.detectable}
