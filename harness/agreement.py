"""How far scores agree with people's ratings, pair by pair: pairwise accuracy with ties calibrated.

Deutsch, Foster and Freitag, Ties Matter (EMNLP 2023): of all pairs, the share that scores put in the order of the
ratings or, where ratings tie, no further apart than a threshold; the threshold is the one under which most pairs agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST = 12_000
"""Values whose pairs, 72 million, still fit a small machine's memory."""


@dataclass(frozen=True, slots=True)
class PairwiseAccuracy:
    """The share of pairs that agree, and how far apart scores may lie to count as a tie."""

    value: float
    threshold: float


def pairwise_accuracy(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> PairwiseAccuracy | None:
    """Over all pairs of two lists of one length; None for fewer than two values, or more than can be held."""
    left, right = np.asarray(scores, dtype=np.float32), np.asarray(ratings, dtype=np.float64)
    if not 2 <= len(left) <= MOST:
        return None
    tied, ordered = [], []
    for place in range(len(left) - 1):
        apart, wanted = left[place + 1 :] - left[place], right[place + 1 :] - right[place]
        tied.append(np.abs(apart[wanted == 0.0]))
        ordered.append(np.abs(apart[apart * np.sign(wanted) > 0.0]))
    ties, agreeing = np.sort(np.concatenate(tied)), np.sort(np.concatenate(ordered))
    thresholds = np.concatenate([np.zeros(1, dtype=np.float32), ties])
    # a pair that people tie is right up to the threshold, one they order is right beyond it
    right_ties = np.searchsorted(ties, thresholds, side="right")
    right_orders = len(agreeing) - np.searchsorted(agreeing, thresholds, side="right")
    best = int(np.argmax(right_ties + right_orders))
    pairs = len(left) * (len(left) - 1) // 2
    return PairwiseAccuracy(float(right_ties[best] + right_orders[best]) / pairs, float(thresholds[best]))
