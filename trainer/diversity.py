"""Whether the members of a group still differ: what a reward that is being hacked takes away first (harness.md R6)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

NEAR = 3
"""Bits of 64 in which the perceptual hashes of two pictures may differ and still be called near-duplicates."""


def near_duplicates(hashes: Sequence[str], groups: Sequence[Hashable]) -> float | None:
    """Share of the pairs within groups that are near-duplicates; None where no group has a pair."""
    known = [(int(one, 16), group) for one, group in zip(hashes, groups, strict=True)]
    pairs = [(one, other) for (one, own), (other, its) in combinations(known, 2) if own == its]
    if not pairs:
        return None
    return sum((one ^ other).bit_count() <= NEAR for one, other in pairs) / len(pairs)
