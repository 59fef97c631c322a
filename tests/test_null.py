"""Paired comparison under the null: how often it finds a difference that is not there, within prompts that correlate.

Both runs answer four images of each prompt with the prompt's own chance of a yes, drawn anew for every repetition from
a beta distribution: answers of one prompt correlate by .4 (intra-class correlation, harness.md 4.5).
"""

from __future__ import annotations

import numpy as np
import pytest

from harness.comparison import Pair, difference, gate, p_value
from harness.statistics import FloatArray

ICC, IMAGES = 0.4, 4


def chances(random: np.random.Generator, shape: tuple[int, ...], rate: float) -> FloatArray:
    """Chances of a yes whose answers have this mean and an intra-class correlation of .4."""
    weight = (1.0 - ICC) / ICC
    return random.beta(weight * rate, weight * (1.0 - rate), shape)


def null_sums(seed: int, repetitions: int, prompts: int, rate: float, shared: bool) -> list[FloatArray]:
    """Yes answers (repetition, prompt) of two runs alike: of the same chance a prompt, or each run of its own."""
    random = np.random.default_rng(seed)
    first = chances(random, (repetitions, prompts), rate)
    second = first if shared else chances(random, (repetitions, prompts), rate)
    return [random.binomial(IMAGES, one).astype(np.float64) for one in (first, second)]


def pair_of(before: FloatArray, after: FloatArray) -> Pair:
    """One repetition."""
    names = tuple(f"p{number:04d}" for number in range(len(before)))
    return Pair(names, before, after, np.full(len(before), float(IMAGES)), 0)


def rejected(seed: int, repetitions: int, prompts: int, rate: float, shared: bool) -> float:
    """Share of the repetitions in which the paired test finds a difference at 5 %."""
    before, after = null_sums(seed, repetitions, prompts, rate, shared)
    found = [p_value({"": pair_of(*one)}, {"": 1.0})[0] for one in zip(before, after, strict=True)]
    return float(np.mean(np.array(found) <= 0.05))


def test_the_simulated_answers_correlate_as_they_are_said_to() -> None:
    before, after = null_sums(0, 1, 100_000, 0.5, shared=True)
    # sums of four with correlation .4: variance 4 * .25 * (1 + 3 * .4); of two runs alike the covariance is 16 * .1
    assert float(before.var()) == pytest.approx(2.2, rel=0.03)
    assert float(np.cov(before[0], after[0])[0, 1]) == pytest.approx(1.6, rel=0.03)


@pytest.mark.parametrize("shared", [True, False])
def test_a_difference_that_is_not_there_is_rarely_found_on_few_prompts(shared: bool) -> None:
    assert rejected(1, 300, 12, 0.5, shared) <= 0.08  # 5 % and 2.4 standard errors


def test_treating_answers_as_independent_finds_it_far_too_often() -> None:
    before, after = null_sums(2, 300, 40, 0.5, shared=False)
    change = (after.sum(1) - before.sum(1)) / (40 * IMAGES)
    naive = np.abs(change) > 1.96 * np.sqrt(2 * 0.25 / (40 * IMAGES))
    assert float(naive.mean()) > 0.12


@pytest.mark.proof
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("prompts", "rate"), [(40, 0.5), (40, 0.9), (100, 0.8)])
def test_the_paired_test_has_the_size_of_5_percent(prompts: int, rate: float, shared: bool) -> None:
    found = rejected(3, 2_000, prompts, rate, shared)
    print(f"\n{prompts} prompts, rate {rate}, {'one chance' if shared else 'two chances'} a prompt: {found:.4f}")
    # 5 % and three standard errors; where few prompts differ p takes few values, and the test finds less, never more
    assert (0.0 if (rate, shared) == (0.9, True) else 0.035) <= found <= 0.065


@pytest.mark.proof
@pytest.mark.parametrize("prompts", [40, 200])
def test_the_interval_of_a_difference_covers_nothing_95_times_in_a_hundred(prompts: int) -> None:
    before, after = null_sums(4, 1_000, prompts, 0.8, shared=True)
    covered, passed = 0, 0
    for one in zip(before, after, strict=True):
        around = difference({"": pair_of(*one)}).interval
        assert around is not None
        covered += around.low <= 0.0 <= around.high
        # on the margin's edge a gate may pass no more often than the interval misses on that side
        passed += gate(around, 100.0 * 1e-9) == "passed"
    print(f"\n{prompts} prompts: covered {covered / 1000:.3f}, a gate without margin passed {passed / 1000:.3f}")
    assert 0.93 <= covered / 1000 <= 0.97
    assert passed / 1000 <= 0.045
