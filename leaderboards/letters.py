"""Significance groups as letters: rows that share a letter are not told apart (harness.md 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from harness.comparison import holm, p_value, pair
from harness.paired import by_category
from leaderboards.entry import Entry

ALPHA = 0.05
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def letters(entries: Sequence[Entry]) -> tuple[list[str], int]:
    """The letters of entries that agree, the best first, and how many comparisons Holm's p is adjusted for."""
    pairs = list(combinations(range(len(entries)), 2))
    adjusted = holm([paired_p(entries[one], entries[other]) for one, other in pairs])
    apart = {both for both, p in zip(pairs, adjusted, strict=True) if p < ALPHA}
    groups = shared(len(entries), apart)
    names = [name_of(place) for place in range(len(groups))]
    told = [
        "".join(name for name, group in zip(names, groups, strict=True) if row in group) for row in range(len(entries))
    ]
    return told, len(pairs)


def paired_p(one: Entry, other: Entry) -> float:
    """p of the difference of two entries over the values both have; 1 where some tag has none."""
    pairs = {key: pair(*columns) for key, columns in by_category((one.values, other.values), one.rule).items()}
    if not all(each.prompts for each in pairs.values()):
        return 1.0
    weights = one.rule.weights if one.rule.estimator == "tags" else dict.fromkeys(pairs, 1.0 / len(pairs))
    return p_value(pairs, weights)[0]


def shared(rows: int, apart: set[tuple[int, int]]) -> list[frozenset[int]]:
    """The largest groups in which no two rows are told apart, in the order of their best rows.

    Insert and absorb: Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons, 2004.
    """
    groups = [frozenset(range(rows))]
    for one, other in sorted(apart):
        split: list[frozenset[int]] = []
        for group in groups:
            split += [group - {one}, group - {other}] if {one, other} <= group else [group]
        groups = [group for group in dict.fromkeys(split) if not any(group < larger for larger in split)]
    return sorted(groups, key=sorted)


def name_of(place: int) -> str:
    """a, b, ..., z, then a1, b1, ..."""
    turn, letter = divmod(place, len(ALPHABET))
    return ALPHABET[letter] + (str(turn) if turn else "")
