"""Comparing two runs on the values both have: difference, p-value, several tests, the gate (4.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.interval import CHUNK, DRAWS, FEW, SEED, Interval, percentile, ratios, resamples, student
from harness.statistics import FloatArray, clustered_variance

MOST_EXACT = 13
"""All sign patterns are tried up to so many prompts that differ."""
Outcome = Literal["passed", "worse", "not shown"]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Sums of two runs over the same values of each prompt, prompts in sorted order."""

    prompts: tuple[str, ...]
    before: FloatArray
    after: FloatArray
    counts: FloatArray
    lost: int
    """Values that only one of the runs has."""

    @property
    def change(self) -> FloatArray:
        """S_B - S_A of each prompt."""
        return np.asarray(self.after - self.before)

    @property
    def rate(self) -> float:
        """D, the difference of the pooled figures."""
        return float(self.change.sum() / self.counts.sum())

    @property
    def residuals(self) -> FloatArray:
        """((S_B - S_A) - D m) / M of each prompt."""
        return np.asarray((self.change - self.rate * self.counts) / self.counts.sum())


@dataclass(frozen=True, slots=True)
class Difference:
    """After minus before, on the values both runs have."""

    value: float
    se: float | None
    interval: Interval | None
    p: float
    test: str
    prompts: int
    lost: int


def pair(
    prompts: Sequence[str], before: Sequence[float | None], after: Sequence[float | None], by_prompt: bool = False
) -> Pair:
    """Pairs aligned values, each with the id of its prompt; a value missing in either run is left out of both.

    `by_prompt` pairs each prompt's mean of one run with its mean of the other, for runs whose seeds differ.
    """
    names, codes = factorise(prompts)
    one, other = (np.array(values, dtype=np.float64) for values in (before, after))
    has = [~np.isnan(values) for values in (one, other)]
    both = np.logical_and(*has)
    lost = int(np.logical_xor(*has).sum())
    kept = has if by_prompt else [both, both]
    sums: list[FloatArray] = [
        np.bincount(codes[keep], values[keep], len(names)).astype(np.float64)
        for values, keep in zip((one, other), kept, strict=True)
    ]
    counts = [np.bincount(codes[keep], minlength=len(names)).astype(np.float64) for keep in kept]
    there = np.logical_and(counts[0] > 0, counts[1] > 0)
    found = tuple(name for name, is_there in zip(names, there, strict=True) if is_there)
    if by_prompt:
        means = [some[there] / count[there] for some, count in zip(sums, counts, strict=True)]
        return Pair(found, means[0], means[1], np.ones(len(found)), lost)
    return Pair(found, sums[0][there], sums[1][there], counts[0][there], lost)


def factorise(prompts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The prompts once each, sorted, and the place of every given one among them."""
    names = sorted(set(prompts))
    places = {name: place for place, name in enumerate(names)}
    return names, np.fromiter((places[prompt] for prompt in prompts), dtype=np.intp, count=len(prompts))


def difference(pairs: Mapping[str, Pair], weights: Mapping[str, float] | None = None) -> Difference:
    """D with its error, interval and p-value; one pair under any name where there are no categories.

    Categories that share a prompt are resampled together, with the error of their joint residual (4.1).
    """
    empty = [name for name, one in sorted(pairs.items()) if not one.prompts]
    if empty or not pairs:
        raise ValueError(f"the runs have no scored value in common in: {', '.join(map(repr, empty)) or 'all'}")
    weights = {name: 1.0 / len(pairs) for name in pairs} if weights is None else weights
    value = math.fsum(weights[name] * one.rate for name, one in pairs.items())
    layout = Layout.of(pairs)
    error = _error(pairs, weights, layout)
    p, test = p_value(pairs, weights)
    lost = sum(one.lost for one in pairs.values())
    return Difference(value, error, _interval(value, error, pairs, weights), p, test, layout.prompts, lost)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where the prompts of each category stand among all prompts, in sorted order."""

    rows: Mapping[str, npt.NDArray[np.intp]]
    prompts: int
    overlaps: bool
    """Whether a prompt stands in several categories."""

    @classmethod
    def of(cls, pairs: Mapping[str, Pair]) -> Layout:
        """The layout of these pairs."""
        names = sorted({prompt for one in pairs.values() for prompt in one.prompts})
        places = {name: place for place, name in enumerate(names)}
        rows = {key: np.array([places[prompt] for prompt in one.prompts], np.intp) for key, one in pairs.items()}
        return cls(rows, len(names), sum(map(len, rows.values())) > len(names))

    def joint(self, parts: Mapping[str, FloatArray]) -> FloatArray:
        """The sum over categories of one number a prompt."""
        total = np.zeros(self.prompts)
        for name in sorted(parts):
            total[self.rows[name]] += parts[name]
        return total


def _error(pairs: Mapping[str, Pair], weights: Mapping[str, float], layout: Layout) -> float | None:
    if any(len(one.prompts) < 2 for one in pairs.values()):
        return None
    if layout.overlaps:
        return math.sqrt(clustered_variance(layout.joint({k: weights[k] * one.residuals for k, one in pairs.items()})))
    variances = {name: clustered_variance(one.residuals) for name, one in pairs.items()}
    return math.sqrt(math.fsum(weights[name] ** 2 * variance for name, variance in variances.items()))


def _interval(
    value: float, error: float | None, pairs: Mapping[str, Pair], weights: Mapping[str, float]
) -> Interval | None:
    """Paired bootstrap, one draw of prompts for both runs; D +- t SE under 100 prompts."""
    prompts = Layout.of(pairs).prompts
    if error is None:
        return None
    if prompts < FEW:
        freedom = max(prompts - len(pairs), 1)
        half = student(freedom) * error
        return Interval(value - half, value + half, f"t with {freedom} degrees of freedom")
    return paired_bootstrap(pairs, weights)


def paired_bootstrap(pairs: Mapping[str, Pair], weights: Mapping[str, float]) -> Interval:
    """(W @ S_B - W @ S_A) / (W @ m), categories each within itself, in sorted order, from one generator.

    Where categories share prompts one draw serves them all, and a resample that misses a category has no estimate.
    """
    random, layout = np.random.default_rng(SEED), Layout.of(pairs)
    if not layout.overlaps:
        total = np.zeros(DRAWS)
        for name in sorted(pairs):
            total += weights[name] * ratios(random, pairs[name].change, pairs[name].counts)
        return percentile(total)
    parts = []
    for draw in resamples(random, layout.prompts):
        chunk = np.zeros(len(draw))
        for name, one in sorted(pairs.items()):
            drawn = draw[:, layout.rows[name]]
            with np.errstate(invalid="ignore"):
                chunk += weights[name] * (drawn @ one.change) / (drawn @ one.counts)
        parts.append(chunk[~np.isnan(chunk)])
    return percentile(np.concatenate(parts))


def p_value(pairs: Mapping[str, Pair], weights: Mapping[str, float]) -> tuple[float, str]:
    """McNemar for one 0/1 value a prompt, else sign-flip over prompts; and which it was."""
    if len(pairs) == 1 and all(_one_binary(one) for one in pairs.values()):
        change = next(iter(pairs.values())).change
        return mcnemar(int((change < 0).sum()), int((change > 0).sum())), "exact McNemar"
    scaled = {name: weights[name] / one.counts.sum() * one.change for name, one in pairs.items()}
    return sign_flip(Layout.of(pairs).joint(scaled)), "sign-flip over prompts"


def _one_binary(one: Pair) -> bool:
    binary = bool(np.isin(np.concatenate([one.before, one.after]), (0.0, 1.0)).all())
    return binary and bool((one.counts == 1.0).all())


def mcnemar(lost: int, won: int) -> float:
    """Exact two-sided p of two discordant counts: min(1, 2 sum_{k <= min(b, c)} C(b + c, k) / 2^(b + c))."""
    both = lost + won
    tail = sum(math.comb(both, fewer) for fewer in range(min(lost, won) + 1))
    return min(1.0, float(Fraction(2 * tail, 1 << both)))


def sign_flip(changes: FloatArray) -> float:
    """Share of sign patterns that move the sum as far; 10,000 drawn patterns when more than 13 prompts differ."""
    moved = changes[np.abs(changes) > 1e-12 * np.abs(changes).max(initial=0.0)]
    if not len(moved):
        return 1.0
    reached = abs(float(moved.sum())) - 1e-9 * float(np.abs(moved).sum())  # equal sums may round apart
    if len(moved) <= MOST_EXACT:
        patterns = np.array(list(product((-1.0, 1.0), repeat=len(moved))))
        return float((np.abs(patterns @ moved) >= reached).mean())
    random = np.random.default_rng(SEED)
    hits = 0
    for _ in range(DRAWS // CHUNK):
        signs = 2.0 * random.integers(0, 2, size=(CHUNK, len(moved))) - 1.0
        hits += int((np.abs(signs @ moved) >= reached).sum())
    return (1 + hits) / (DRAWS + 1)


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p, in the order given: max over l <= j of min(1, (k - l + 1) p_(l))."""
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda one: values[one])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def gate(found: Interval, margin: float, span: tuple[float, float] = (0.0, 1.0)) -> Outcome:
    """Non-inferiority of after against before; the margin is in points, 1 point = .01 of the range."""
    if found.low > -0.01 * margin * (span[1] - span[0]):
        return "passed"
    return "worse" if found.high < 0.0 else "not shown"
