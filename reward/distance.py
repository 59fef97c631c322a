"""How far two texts or two lists of words lie apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

try:
    from rapidfuzz.distance import Levenshtein
except ModuleNotFoundError as error:
    raise ValueError(f"comparing texts needs {error.name}: pip install 'image-harness[ocr]'") from None


def edits(found: str, wanted: str) -> int:
    """Letters to be put in, taken out or replaced (Levenshtein)."""
    return int(Levenshtein.distance(found, wanted))


def likeness(found: str, wanted: str) -> float:
    """1 - min(edits, length) / length of what is wanted (method.md 3.5)."""
    return 1.0 - min(edits(found, wanted), len(wanted)) / len(wanted)


def nearest_run(words: Sequence[str], wanted: str, between: str = " ") -> str:
    """The run of consecutive words with the fewest edits to what is wanted, the first one; empty if nothing fits.

    No run is looked at that is longer than twice what is wanted, since every further letter is an edit.
    """
    best, fewest = "", len(wanted)
    for start in range(len(words)):
        run = ""
        for word in words[start:]:
            run = f"{run}{between}{word}" if run else word
            if len(run) > 2 * len(wanted):
                break
            if (number := edits(run, wanted)) < fewest:
                best, fewest = run, number
    return best


def matched(found: Sequence[str], wanted: Sequence[str]) -> int:
    """Wanted words that are found, each as often as it is there."""
    return (Counter(found) & Counter(wanted)).total()


def normalised(found: str, wanted: str) -> float:
    """Edits over the longer length."""
    return edits(found, wanted) / max(len(found), len(wanted), 1)


def word_distance(found: Sequence[str], wanted: Sequence[str]) -> float:
    """GNED: cost of the best one-to-one match by normalised edits and the difference in number, over the larger one."""
    if not found or not wanted:
        return float(bool(found) or bool(wanted))
    costs = np.array([[normalised(one, other) for other in found] for one in wanted])
    rows, columns = linear_sum_assignment(costs)
    return float((costs[rows, columns].sum() + abs(len(found) - len(wanted))) / max(len(found), len(wanted)))


def recall(found: Sequence[str], wanted: Sequence[str], most: float = 0.3) -> float:
    """Share of wanted words that have a found word of their own at most so far away, the nearest first come."""
    left, hits = list(found), 0
    for word in wanted:
        near = min(left, key=lambda one: normalised(one, word), default=None)
        if near is not None and normalised(near, word) <= most:
            left.remove(near)
            hits += 1
    return hits / len(wanted)
