"""95 % intervals: bootstrap over prompts, logit-t where that is too narrow, exact at an end (4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.statistics import Estimate, FloatArray, Tally, averaged, equal_weights, union

LEVEL = 0.95
DRAWS = 10_000
SEED = 0
CHUNK = 1_000
FEW = 100
"""Below this many prompts the bootstrap is too narrow."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval and how it was found; draws and seed are None where nothing was drawn."""

    low: float
    high: float
    method: str
    draws: int | None = None
    seed: int | None = None
    level: float = LEVEL


def resamples(random: np.random.Generator, count: int) -> Iterator[FloatArray]:
    """How often each of `count` prompts is drawn, 10,000 resamples in chunks of 1,000; chunks change no number."""
    for _ in range(DRAWS // CHUNK):
        yield random.multinomial(count, [1.0 / count] * count, size=CHUNK).astype(np.float64)


def ratios(random: np.random.Generator, sums: FloatArray, counts: FloatArray) -> FloatArray:
    """(W @ S) / (W @ m) of every resample W; one column for each column of S."""
    parts = []
    for draw in resamples(random, len(counts)):
        sizes = draw @ counts
        parts.append((draw @ sums) / (sizes if sums.ndim == 1 else sizes[:, None]))
    return np.concatenate(parts)


def percentile(estimates: FloatArray) -> Interval:
    """The quantiles .025 and .975 of bootstrapped estimates."""
    low, high = np.quantile(estimates, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Interval(float(low), float(high), "percentile bootstrap over prompts", DRAWS, SEED)


def bootstrap(tallies: Mapping[str, Tally], weights: Mapping[str, float]) -> Interval:
    """Each category resampled within itself, in sorted order, from one generator."""
    random = np.random.default_rng(SEED)
    total = np.zeros(DRAWS)
    for name in sorted(tallies):
        total += weights[name] * ratios(random, tallies[name].sums, tallies[name].counts)
    return percentile(total)


def bootstrap_overlapping(tallies: Mapping[str, Tally], weights: Mapping[str, float]) -> Interval:
    """One draw of prompts for all categories; a resample that misses a category altogether has no estimate."""
    places = {prompt: place for place, prompt in enumerate(union(tallies))}
    rows = {name: [places[prompt] for prompt in one.prompts] for name, one in tallies.items()}
    parts = []
    for draw in resamples(np.random.default_rng(SEED), len(places)):
        sizes = {name: draw[:, rows[name]] @ one.counts for name, one in tallies.items()}
        whole = np.all([size > 0.0 for size in sizes.values()], axis=0)
        total = np.zeros(int(whole.sum()))
        for name, one in tallies.items():
            total += weights[name] * (draw[whole][:, rows[name]] @ one.sums) / sizes[name][whole]
        parts.append(total)
    return percentile(np.concatenate(parts))


def student(freedom: int) -> float:
    """How many standard errors half a 95 % interval is wide, by Student's t."""
    from scipy.special import stdtrit  # the one thing that commands need scipy for, and only where a run has ended

    return float(stdtrit(freedom, (1.0 + LEVEL) / 2.0))


def logit_t(value: float, error: float, freedom: int, span: tuple[float, float]) -> Interval:
    """expit(logit R +- t SE / (R (1 - R))) on the range scaled to 0-1."""
    from scipy.special import expit, logit

    low, width = span[0], span[1] - span[0]
    rate = (value - low) / width
    half = student(freedom) * error / width / (rate * (1.0 - rate))
    ends = [low + width * float(expit(logit(rate) + sign * half)) for sign in (-1.0, 1.0)]
    return Interval(ends[0], ends[1], f"logit-t with {freedom} degrees of freedom")


def exact_end(prompts: int, at_top: bool, span: tuple[float, float]) -> Interval:
    """All prompts at one end of the range: [.025^(1/n), 1] or its reflection."""
    low, high = span
    reach = (high - low) * ((1.0 - LEVEL) / 2.0) ** (1.0 / prompts)
    return Interval(low + reach, high, "exact") if at_top else Interval(low, high - reach, "exact")


def exact_equal(tallies: Mapping[str, Tally], weights: Mapping[str, float], span: tuple[float, float]) -> Interval:
    """Every prompt of a category alike, at a value inside the range: one who has seen n equal draws knows only that
    the share p of such prompts has p^n >= .025, and nothing of where the others lie. At an end this is `exact_end`."""
    low = high = 0.0
    for name, one in tallies.items():
        share = ((1.0 - LEVEL) / 2.0) ** (1.0 / len(one.prompts))
        low += weights[name] * (share * one.rate + (1.0 - share) * span[0])
        high += weights[name] * (share * one.rate + (1.0 - share) * span[1])
    return Interval(low, high, "exact, all prompts alike")


def at_end(tallies: Mapping[str, Tally], end: float) -> bool:
    """Whether every value is at this end of the range."""
    return all(bool(np.allclose(one.sums, end * one.counts, rtol=0.0, atol=1e-12)) for one in tallies.values())


def interval(
    estimate: Estimate,
    tallies: Mapping[str, Tally],
    weights: Mapping[str, float] | None = None,
    span: tuple[float, float] = (0.0, 1.0),
) -> Interval | None:
    """The interval of an estimate made from these tallies (one under any name where there are no categories)."""
    if estimate.value is None:
        return None
    for end in span:
        if at_end(tallies, end):
            return exact_end(estimate.clusters, end == span[1], span)
    if estimate.se is None:
        return None
    weights = equal_weights(tallies) if weights is None else weights
    if all(np.allclose(one.sums, one.rate * one.counts, rtol=0.0, atol=1e-9) for one in tallies.values()):
        return exact_equal(tallies, weights, span)
    scaled = (estimate.value - span[0]) / (span[1] - span[0])
    if estimate.clusters < FEW or not 0.1 <= scaled <= 0.9:
        return logit_t(estimate.value, estimate.se, max(estimate.clusters - len(tallies), 1), span)
    if estimate.estimator == "overlapping":
        return bootstrap_overlapping(tallies, weights)
    if estimate.estimator == "per_prompt":
        return bootstrap({name: averaged(one) for name, one in tallies.items()}, weights)
    return bootstrap(tallies, weights)
