"""Scales of marks: what each mark is worth, from 0 for the lowest to 1 for the highest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType


@lru_cache(maxsize=32)
def whole_marks(low: int, high: int) -> Mapping[str, float]:
    """Whole numbers from low to high, evenly spaced."""
    return MappingProxyType({str(mark): (mark - low) / (high - low) for mark in range(low, high + 1)})


ZERO_HALF_ONE: Mapping[str, float] = MappingProxyType({"0": 0.0, "0.5": 0.5, "1": 1.0})
"""Wrong, partly right, right."""
RIGHT_OR_WRONG: Mapping[str, float] = MappingProxyType({"0": 0.0, "1": 1.0})
"""Wrong or right."""
