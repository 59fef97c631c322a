"""How far answers agree with what is known: accuracy, AUC, calibration error, rank correlation, with intervals.

Pure functions over arrays. Questions of one picture belong together, so intervals resample pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.interval import SEED, Interval, exact_end, percentile, resamples

Floats = NDArray[np.float64]
BINS = 10
"""Bins of equal width of the calibration error."""
RANKED = 200
"""Resamples of rank correlations, each of which costs a sort."""
Figure = Callable[["Answers", Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Questions that were answered; (n,) each."""

    values: Floats
    """p(yes)"""
    truths: Floats
    """0 or 1, or ratings"""
    pictures: NDArray[np.int64]
    """Which picture each belongs to, numbered from 0"""

    def of(self, keep: NDArray[np.bool_]) -> Answers:
        """Some of them, pictures numbered anew."""
        _, pictures = np.unique(self.pictures[keep], return_inverse=True)
        return Answers(self.values[keep], self.truths[keep], pictures)


def answers_of(values: Sequence[float | None], truths: Sequence[float], pictures: Sequence[str]) -> Answers:
    """The answered ones."""
    keep = np.array([value is not None for value in values], dtype=bool)
    _, numbers = np.unique(np.array(pictures, dtype=str), return_inverse=True)
    found = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return Answers(found, np.array(truths, dtype=np.float64), numbers).of(keep)


def accuracy(answers: Answers, weights: Floats) -> Floats:
    """Share of answers on the true side of one half; (draws,) for weights (draws, n)."""
    right = ((answers.values >= 0.5) == (answers.truths >= 0.5)).astype(np.float64)
    return np.asarray(weights @ right / weights.sum(1))


def brier(answers: Answers, weights: Floats) -> Floats:
    """Mean squared distance of p(yes) from the truth (Brier, 1950)."""
    return np.asarray(weights @ (answers.values - answers.truths) ** 2 / weights.sum(1))


def says_yes(answers: Answers, weights: Floats) -> Floats:
    """Share of answers that are yes."""
    return np.asarray(weights @ (answers.values >= 0.5).astype(np.float64) / weights.sum(1))


def auc(answers: Answers, weights: Floats) -> Floats:
    """Chance that a true yes has a higher p(yes) than a true no, ties counted half (Mann-Whitney U / (n1 n0)).

    NaN where a resample holds only one of both.
    """
    order = np.argsort(answers.values, kind="stable")
    values, truths, weights = answers.values[order], answers.truths[order], weights[:, order]
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf))
    yes, no = (np.add.reduceat(weights * side, starts, axis=1) for side in (truths, 1.0 - truths))
    below = np.cumsum(no, axis=1) - 0.5 * no
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((yes * below).sum(1) / (yes.sum(1) * no.sum(1)))


def bins_of(values: Floats) -> NDArray[np.int64]:
    """The bin of each value."""
    return np.minimum((values * BINS).astype(np.int64), BINS - 1)


def calibration_error(answers: Answers, weights: Floats) -> Floats:
    """Expected calibration error of p(yes): sum over bins of their share times |share of yes - mean p(yes)|.

    Guo et al., 2017, equation 5, for the probability of one answer of two.
    """
    member = (bins_of(answers.values)[:, None] == np.arange(BINS)).astype(np.float64)
    gap = weights @ (member * (answers.truths - answers.values)[:, None])
    return np.asarray(np.abs(gap).sum(1) / weights.sum(1))


FIGURES: dict[str, Figure] = {
    "accuracy": accuracy,
    "auc": auc,
    "ece": calibration_error,
    "brier": brier,
    "says_yes": says_yes,
}
"""Figures of yes/no questions, by name."""


def figure(name: str, answers: Answers) -> dict[str, Any]:
    """One figure with its 95 % interval over pictures; both None where nothing was answered."""
    count = int(answers.pictures.max()) + 1 if len(answers.values) else 0
    if not count:
        return {"value": None, "ci": None}
    make = FIGURES[name]
    value = float(make(answers, np.ones((1, len(answers.values))))[0])
    if np.isnan(value):
        return {"value": None, "ci": None}
    if name == "accuracy" and value in (0.0, 1.0):
        return {"value": value, "ci": asdict(exact_end(count, value == 1.0, (0.0, 1.0)))}
    random = np.random.default_rng(SEED)
    draws = [make(answers, draw[:, answers.pictures]) for draw in resamples(random, count)]
    return {"value": value, "ci": asdict(spread(np.concatenate(draws)))}


def spread(draws: Floats) -> Interval:
    """Quantiles of the draws that have a value."""
    return replace(percentile(draws[~np.isnan(draws)]), method="percentile bootstrap over pictures")


def ranks(answers: Answers) -> dict[str, Any]:
    """Spearman's rho, Kendall's tau-b and Pearson's r between answers and truths."""
    from scipy.stats import kendalltau, pearsonr, spearmanr

    members = [np.flatnonzero(answers.pictures == one) for one in np.unique(answers.pictures)]
    random = np.random.default_rng(SEED)
    found: dict[str, Any] = {}
    drawn = random.integers(0, max(1, len(members)), (RANKED, len(members)))
    for name, measure in (("spearman", spearmanr), ("kendall", kendalltau), ("pearson", pearsonr)):
        if len(members) < 3 or not varied(answers.values, answers.truths):
            found[name] = {"value": None, "ci": None}
            continue
        draws = []
        for one in drawn:
            some = np.concatenate([members[place] for place in one])
            if varied(answers.values[some], answers.truths[some]):
                draws.append(float(measure(answers.values[some], answers.truths[some]).statistic))
        ends = replace(spread(np.array(draws)), draws=RANKED)
        found[name] = {"value": float(measure(answers.values, answers.truths).statistic), "ci": asdict(ends)}
    return found


def varied(one: Floats, other: Floats) -> bool:
    """Whether both hold more than one value, without which no correlation exists."""
    return bool(np.ptp(one) > 0 and np.ptp(other) > 0)


def reliability(answers: Answers) -> list[dict[str, Any]]:
    """For each bin of p(yes): how many answers, their mean p(yes), and how often yes was true."""
    place = bins_of(answers.values)
    found = []
    for number in range(BINS):
        mine = place == number
        some = int(mine.sum())
        found.append(
            {
                "low": number / BINS,
                "high": (number + 1) / BINS,
                "n": some,
                "said": float(answers.values[mine].mean()) if some else None,
                "true": float(answers.truths[mine].mean()) if some else None,
            }
        )
    return found


def moved(before: Sequence[float | None], after: Sequence[float | None], pictures: Sequence[str]) -> dict[str, Any]:
    """How far answers move: share that change sides, mean |change of p(yes)|, answers lost."""
    both = [
        (one, other, picture)
        for one, other, picture in zip(before, after, pictures, strict=True)
        if one is not None and other is not None
    ]
    lost = sum(one is not None and other is None for one, other in zip(before, after, strict=True))
    if not both:
        return {"n": 0, "lost": lost, "flipped": {"value": None, "ci": None}, "moved": None}
    one, other = (np.array([pair[side] for pair in both], dtype=np.float64) for side in (0, 1))
    same = Answers(other, (one >= 0.5).astype(np.float64), answers_of([1.0] * len(both), [0.0] * len(both), [
        picture for _, _, picture in both]).pictures)  # fmt: skip
    agreed = figure("accuracy", same)
    ends = agreed["ci"]
    flipped = {"value": 1.0 - agreed["value"], "ci": {**ends, "low": 1.0 - ends["high"], "high": 1.0 - ends["low"]}}
    return {"n": len(both), "lost": lost, "flipped": flipped, "moved": float(np.abs(other - one).mean())}
