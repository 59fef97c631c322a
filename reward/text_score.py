"""OneIG-Bench's score of lettering: edits, exact texts and words, each over all pictures, in one formula.

The score is 1 - min(MAX, ED) (1 - CR) (1 - WAC) / MAX with ED the mean number of edits, CR the share of texts without
any, and WAC the share of wanted words that are there. Over one picture alone the same formula is that picture's score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def formula(number: float, exact: float, words: float, most: float) -> float:
    """1 - min(MAX, ED) (1 - CR) (1 - WAC) / MAX."""
    return 1.0 - min(most, number) * (1.0 - exact) * (1.0 - words) / most


def spread(parts: Sequence[Mapping[str, Any]], most: float) -> list[float]:
    """A number for each picture whose mean is the score of all, and whose spread is that of the score.

    The formula is no mean, so each picture counts as what it adds to it (the delta method): the formula's derivatives
    times how far the picture lies from the mean of all.
    """
    count = len(parts)
    number, exact, size = (math.fsum(one[name] for one in parts) / count for name in ("edits", "exact", "words wanted"))
    words = math.fsum(one["words"] * one["words wanted"] for one in parts) / (size * count)
    value = formula(number, exact, words, most)
    by_number = 0.0 if number >= most else -(1.0 - exact) * (1.0 - words) / most
    by_exact = min(most, number) * (1.0 - words) / most
    by_words = min(most, number) * (1.0 - exact) / most
    return [
        value
        + by_number * (one["edits"] - number)
        + by_exact * (one["exact"] - exact)
        + by_words * (one["words"] - words) * one["words wanted"] / size
        for one in parts
    ]
