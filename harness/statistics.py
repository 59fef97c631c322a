"""Estimates with standard errors, clustered by prompt (section 4 of the harness specification).

A prompt is the cluster: its images and questions are not independent. Only values that exist are tallied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
POWER = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
"""2.8016: how many standard errors are found in 80 % of runs at a two-sided 5 %."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Sum S_i, number m_i and sum of squares of the values of each prompt, prompts in sorted order."""

    prompts: tuple[str, ...]
    sums: FloatArray
    counts: FloatArray
    squares: FloatArray

    @property
    def rate(self) -> float:
        """R, the mean over all values; NaN when there is none."""
        return float(self.sums.sum() / self.counts.sum()) if self.prompts else math.nan


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over prompts; the standard error is None where `warning` says why."""

    estimator: str
    value: float | None
    se: float | None
    n: int
    """Values averaged."""
    clusters: int
    """Prompts they come from."""
    design_effect: float | None = None
    warning: str = ""


def tally(prompts: Sequence[str], values: Sequence[float | None]) -> Tally:
    """Tallies values, each with the id of its prompt; values that are None are left out."""
    found: dict[str, list[float]] = {}
    for prompt, value in zip(prompts, values, strict=True):
        if value is not None:
            found.setdefault(prompt, []).append(value)
    names = tuple(sorted(found))
    sums = [math.fsum(found[name]) for name in names]
    squares = [math.fsum(value * value for value in found[name]) for name in names]
    return Tally(names, np.array(sums), np.array([float(len(found[name])) for name in names]), np.array(squares))


def averaged(counted: Tally) -> Tally:
    """Each prompt's mean as its only value, so that the pooled formulas give the per-prompt ones."""
    means = counted.sums / counted.counts
    return Tally(counted.prompts, means, np.ones(len(counted.prompts)), means * means)


def clustered_variance(residuals: FloatArray) -> float:
    """n/(n-1) times the sum of squared residuals, one a prompt."""
    count = len(residuals)
    return float(count / (count - 1) * np.square(residuals).sum())


def residuals_of(counted: Tally) -> FloatArray:
    """(S_i - R m_i) / M of each prompt."""
    return np.asarray((counted.sums - counted.rate * counted.counts) / counted.counts.sum())


def pooled(counted: Tally) -> Estimate:
    """R = sum S / M with the ratio estimator's error, clustered by prompt (4.1)."""
    return _single("pooled", counted, counted)


def per_prompt(counted: Tally) -> Estimate:
    """P = mean over prompts of each prompt's mean (4.1)."""
    return _single("per_prompt", averaged(counted), counted)


def _single(estimator: str, counted: Tally, given: Tally) -> Estimate:
    clusters, values = len(counted.prompts), int(given.counts.sum())
    if clusters == 0:
        return Estimate(estimator, None, None, 0, 0, warning="nothing was scored")
    if clusters < 2:
        return Estimate(estimator, counted.rate, None, values, clusters, warning="one prompt has no standard error")
    error = math.sqrt(clustered_variance(residuals_of(counted)))
    effect = design_effect(counted, error) if estimator == "pooled" else None
    return Estimate(estimator, counted.rate, error, values, clusters, effect)


def design_effect(counted: Tally, error: float) -> float | None:
    """SE^2 over what it would be if single values were independent; None when all values are equal (4.1)."""
    rate, total = counted.rate, float(counted.counts.sum())
    spread = float(counted.squares.sum()) - rate * rate * total
    return error * error * total * total / spread if spread > 1e-12 * total else None


def equal_weights(names: Mapping[str, Tally]) -> dict[str, float]:
    """The weight of each category unless published ones are used: 1 / number."""
    return {name: 1.0 / len(names) for name in names}


def categories(tallies: Mapping[str, Tally], weights: Mapping[str, float] | None = None) -> Estimate:
    """C = sum w_c R_c, every prompt in one category (4.1)."""
    return _several("categories", tallies, weights, _separate_variance)


def overlapping(tallies: Mapping[str, Tally], weights: Mapping[str, float] | None = None) -> Estimate:
    """C = sum w_c R_c where a prompt may be in several categories, with the error of its joint residual u_i (4.1)."""
    return _several("overlapping", tallies, weights, _joint_variance)


def _separate_variance(tallies: Mapping[str, Tally], weights: Mapping[str, float]) -> float:
    return math.fsum(weights[name] ** 2 * clustered_variance(residuals_of(one)) for name, one in tallies.items())


def _joint_variance(tallies: Mapping[str, Tally], weights: Mapping[str, float]) -> float:
    places = {prompt: place for place, prompt in enumerate(union(tallies))}
    joint = np.zeros(len(places))
    for name, one in tallies.items():
        joint[[places[prompt] for prompt in one.prompts]] += weights[name] * residuals_of(one)
    return clustered_variance(joint)


def union(tallies: Mapping[str, Tally]) -> tuple[str, ...]:
    """Every prompt once, in sorted order."""
    return tuple(sorted({prompt for one in tallies.values() for prompt in one.prompts}))


def _several(
    estimator: str,
    tallies: Mapping[str, Tally],
    weights: Mapping[str, float] | None,
    variance: Callable[[Mapping[str, Tally], Mapping[str, float]], float],
) -> Estimate:
    """A category without a value leaves the whole without one; one with a single prompt leaves it without an error."""
    clusters = len(union(tallies))
    values = int(sum(one.counts.sum() for one in tallies.values()))
    empty = [name for name, one in sorted(tallies.items()) if not one.prompts]
    if empty or not tallies:
        warning = f"nothing was scored in: {', '.join(empty) or 'any category'}"
        return Estimate(estimator, None, None, values, clusters, warning=warning)
    weights = equal_weights(tallies) if weights is None else weights
    value = math.fsum(weights[name] * one.rate for name, one in tallies.items())
    small = [name for name, one in sorted(tallies.items()) if len(one.prompts) < 2]
    if small:
        warning = f"one prompt has no standard error: {', '.join(small)}"
        return Estimate(estimator, value, None, values, clusters, warning=warning)
    return Estimate(estimator, value, math.sqrt(variance(tallies, weights)), values, clusters)


def coverage(values: Sequence[float | None]) -> float:
    """Share of the planned values that exist (4.3)."""
    return sum(value is not None for value in values) / len(values)


def bounds(
    statistic: Callable[[Sequence[float]], float | None], values: Sequence[float | None], span: tuple[float, float]
) -> tuple[float | None, float | None]:
    """The statistic with every missing value at the worst, then at the best end of its range (4.3)."""
    low, high = ([end if value is None else value for value in values] for end in span)
    return statistic(low), statistic(high)


def detectable_before(
    rate: float, prompts: int, images: int, paired: bool, correlation: float = 0.4, pairing: float = 0.5
) -> float:
    """The difference a planned run finds with 80 % power: 2.8016 sqrt(2 v (1 - rho) / n) (4.5)."""
    variance = rate * (1.0 - rate) * (correlation + (1.0 - correlation) / images)
    return POWER * math.sqrt(2.0 * variance * (1.0 - (pairing if paired else 0.0)) / prompts)


def detectable_unpaired(error: float) -> float:
    """The difference to another run of the same size that is found with 80 % power (4.5)."""
    return POWER * math.sqrt(2.0) * error


def detectable_paired(error_of_difference: float) -> float:
    """The difference to a run on the same prompts that is found with 80 % power (4.5)."""
    return POWER * error_of_difference


def items_for_gate(margin: float, flipping: float) -> int:
    """Items a gate of this margin needs where this share of answers flips: about 7.85 q / g^2 (4.5)."""
    return math.ceil(POWER**2 * flipping / margin**2)
