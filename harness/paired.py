"""One figure of the same images twice: value by value, as the figure's own rule averages them (harness.md 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.change import Change
from harness.comparison import difference, pair
from harness.headline import Rule, Value, estimate


def change_of(
    name: str, values: Sequence[Sequence[Value]], rule: Rule, span: tuple[float, float], by_prompt: bool
) -> Change:
    """A figure of two runs, or before and after, over the values both have."""
    pairs = {key: pair(*columns, by_prompt) for key, columns in by_category(values, rule).items()}
    weights = rule.weights if rule.estimator == "tags" else None
    kept = kept_values(values)
    before, after = (estimate(some, rule)[0].value for some in kept)
    if before is None or after is None:
        raise ValueError("the runs have no scored value in common in some tag")
    return Change(name, before, after, difference(pairs, weights), len(kept[0]), span)


def kept_values(values: Sequence[Sequence[Value]]) -> list[list[Value]]:
    """The values of each run that the other has too."""
    there = [one.value is not None and other.value is not None for one, other in zip(*values, strict=True)]
    return [[value for value, both in zip(some, there, strict=True) if both] for some in values]


Columns = tuple[list[str], list[float | None], list[float | None]]


def by_category(values: Sequence[Sequence[Value]], rule: Rule) -> dict[str, Columns]:
    """Prompt, value before and value after of everything under each tag of the rule, or of all."""
    names = sorted(rule.weights) if rule.estimator == "tags" else [""]
    found: dict[str, Columns] = {name: ([], [], []) for name in names}
    for one, other in zip(*values, strict=True):
        for name in one.tags if rule.estimator == "tags" else names:
            if name in found:
                columns = found[name]
                columns[0].append(one.prompt)
                columns[1].append(one.value)
                columns[2].append(other.value)
    return found
