"""How often each kind of question is met, and how sure the verifier may be believed where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboards.exhibit import HALF, Exhibit

BINS = 10


@dataclass(frozen=True, slots=True)
class PassRate:
    """One kind of question: met, answered and asked, a number for each run."""

    kind: str
    met: tuple[int, ...]
    answered: tuple[int, ...]
    asked: tuple[int, ...]

    @property
    def shares(self) -> tuple[float | None, ...]:
        """Met of answered, for each run; None where nothing was answered."""
        return tuple(met / count if count else None for met, count in zip(self.met, self.answered, strict=True))


def pass_rates(found: Sequence[Exhibit]) -> list[PassRate]:
    """Every kind of question, the one that is missed most often in the first run above."""
    counts: dict[str, list[list[int]]] = {}
    for one in found:
        for place, side in enumerate(one.sides):
            for asked in side["questions"]:
                tally = counts.setdefault(asked["kind"], [[0, 0, 0] for _ in one.sides])[place]
                tally[0] += asked["value"] is not None and asked["value"] >= HALF
                tally[1] += asked["value"] is not None
                tally[2] += 1
    rates = [PassRate(kind, *(tuple(column) for column in zip(*sides, strict=True))) for kind, sides in counts.items()]
    return sorted(rates, key=lambda rate: (1.0 if rate.shares[0] is None else rate.shares[0], rate.kind))


@dataclass(frozen=True, slots=True)
class Reliability:
    """p(yes) against how often the answer is yes in truth."""

    bins: tuple[tuple[float, float, int], ...]
    """Of each bin with answers: mean p(yes), share of true yes, answers"""
    error: float
    """Expected calibration error: the gaps, weighted by answers (Guo and others, 2017, equation 3)"""
    accuracy: float
    answers: int


def reliability(found: Sequence[Exhibit], truth: Sequence[Exhibit]) -> Reliability | None:
    """Answers of the first run against those of a run of the same pictures that are known to be right; None where
    nothing is shared. Pictures are the same when their pixels are."""
    known = {
        (side["image"], one.key[0], asked["id"]): asked["p"] >= HALF
        for one in truth
        for side in one.sides
        for asked in side["questions"]
        if side.get("image") and asked["p"] is not None
    }
    pairs = [
        (asked["p"], known[key])
        for one in found
        for side in one.sides[:1]
        for asked in side["questions"]
        if asked["p"] is not None and (key := (side.get("image"), one.key[0], asked["id"])) in known
    ]
    if not pairs:
        return None
    p, right = np.array([one for one, _ in pairs]), np.array([float(one) for _, one in pairs])
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = [(float(p[here].mean()), float(right[here].mean()), int(here.sum()))
            for number in range(BINS) if (here := place == number).any()]  # fmt: skip
    error = sum(count * abs(mean - share) for mean, share, count in bins) / len(pairs)
    return Reliability(tuple(bins), error, float(((p >= HALF) == (right == 1.0)).mean()), len(pairs))
