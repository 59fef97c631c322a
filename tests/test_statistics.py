"""Statistics: the worked example of harness.md 4.6, every rule of section 4, and R8's coverage by simulation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.interval
from harness.comparison import Pair, difference, gate, holm, mcnemar, pair, sign_flip
from harness.interval import Interval, bootstrap, exact_end, interval, logit_t, resamples
from harness.statistics import (
    Tally,
    bounds,
    categories,
    coverage,
    detectable_before,
    detectable_paired,
    detectable_unpaired,
    items_for_gate,
    overlapping,
    per_prompt,
    pooled,
    tally,
)

PROMPTS = [f"p{number}" for number in range(1, 9)]
COUNTS = (4, 4, 2, 2, 6, 6, 3, 5)
RIGHT_A = (4, 1, 0, 2, 6, 3, 3, 1)
RIGHT_B = (4, 3, 1, 2, 6, 4, 3, 2)


def verdicts(right: Sequence[int], part: slice = slice(None)) -> tuple[list[str], list[float | None]]:
    """Prompt ids and yes/no verdicts; a sixth verdict of p8 timed out."""
    prompts: list[str] = []
    values: list[float | None] = []
    for prompt, count, number in list(zip(PROMPTS, COUNTS, right, strict=True))[part]:
        prompts += [prompt] * count
        values += [1.0] * number + [0.0] * (count - number)
        if prompt == "p8":
            prompts, values = [*prompts, "p8"], [*values, None]
    return prompts, values


def counted(right: Sequence[int], part: slice = slice(None)) -> Tally:
    return tally(*verdicts(right, part))


def by_category(right: Sequence[int]) -> dict[str, Tally]:
    return {"counting": counted(right, slice(0, 4)), "colour": counted(right, slice(4, 8))}


def paired(part: slice = slice(None)) -> Pair:
    prompts, before = verdicts(RIGHT_A, part)
    return pair(prompts, before, verdicts(RIGHT_B, part)[1])


def close(value: float, tolerance: float = 1e-4) -> object:
    return pytest.approx(value, abs=tolerance)


def test_4_6_pooled() -> None:
    found = pooled(counted(RIGHT_A))
    assert (found.value, found.n, found.clusters) == (0.625, 32, 8)
    assert found.se == close(0.1419)
    assert found.design_effect == close(2.748, 1e-3)
    assert math.sqrt(0.625 * 0.375 / 32) == close(0.0856)


def test_4_6_per_prompt() -> None:
    found = per_prompt(counted(RIGHT_A))
    assert (found.value, found.se, found.n) == (close(0.6188), close(0.1518), 32)


def test_4_6_categories() -> None:
    tallies = by_category(RIGHT_A)
    alone = {name: pooled(one) for name, one in tallies.items()}
    assert (alone["counting"].value, alone["counting"].se) == (close(7 / 12), close(0.2474))
    assert (alone["colour"].value, alone["colour"].se) == (close(0.65), close(0.1948))
    assert (categories(tallies).value, categories(tallies).se) == (close(0.6167), close(0.1575))
    assert (overlapping(tallies).value, overlapping(tallies).se) == (close(0.6167), close(0.1458))


def test_4_6_interval() -> None:
    only = {"": counted(RIGHT_A)}
    drawn = bootstrap(only, {"": 1.0})
    assert (drawn.low, drawn.high) == (close(0.364, 0.02), close(0.889, 0.02))
    assert (drawn.draws, drawn.seed) == (10_000, 0)
    found = interval(pooled(only[""]), only)
    assert found is not None
    assert (found.low, found.high) == (close(0.2849), close(0.8746))
    assert found.method == "logit-t with 7 degrees of freedom"


def test_4_6_missing() -> None:
    prompts, values = verdicts(RIGHT_A)
    assert coverage(values) == close(0.9697)
    low, high = bounds(lambda filled: tally(prompts, filled).rate, values, (0.0, 1.0))
    assert (low, high) == (close(0.6061), close(0.6364))


def test_4_6_difference() -> None:
    found = difference({"": paired()})
    assert found.interval is not None
    assert (found.value, found.se) == (close(0.15625), close(0.0668))
    assert (found.interval.low, found.interval.high) == (close(-0.0018), close(0.3143))
    assert (found.p, found.test) == (0.125, "sign-flip over prompts")
    assert (found.prompts, found.lost) == (8, 0)
    drawn = harness.comparison.paired_bootstrap({"": paired()}, {"": 1.0})
    assert (drawn.low, drawn.high) == (close(0.040, 0.02), close(0.296, 0.02))


def test_4_6_unpaired_error_is_larger() -> None:
    one, other = pooled(counted(RIGHT_A)).se, pooled(counted(RIGHT_B)).se
    assert one is not None
    assert other is not None
    assert math.hypot(one, other) == close(0.1690)


def test_4_6_mcnemar_and_holm() -> None:
    assert mcnemar(12, 3) == close(0.03516, 1e-5)
    assert holm([0.004, 0.03516, 0.021]) == pytest.approx([0.012, 0.042, 0.042])


def test_4_6_gate() -> None:
    before = [1.0] * 14 + [0.0] * 11 + [1.0] * 475
    after = [0.0] * 14 + [1.0] * 11 + [1.0] * 475
    found = difference({"": pair([f"{number:03d}" for number in range(500)], before, after)})
    assert found.interval is not None
    assert (found.value, found.se) == (close(-0.006), close(0.0100))
    assert (found.interval.low, found.interval.high) == (close(-0.0256, 0.002), close(0.0136, 0.002))
    assert gate(found.interval, margin=1.0) == "not shown"
    assert (found.p, found.test) == (close(0.69, 0.005), "exact McNemar")


def test_a_gate_has_three_outcomes() -> None:
    assert gate(Interval(-0.009, 0.02, ""), 1.0) == "passed"
    assert gate(Interval(-0.03, -0.01, ""), 1.0) == "worse"
    assert gate(Interval(-0.03, 0.01, ""), 1.0) == "not shown"
    assert gate(Interval(-0.03, -0.01, ""), 1.0, (0.0, 5.0)) == "passed"  # a point of 0-5 is .05


def test_equal_answers_pass_a_gate() -> None:
    prompts = [f"{number:03d}" for number in range(120)]
    found = difference({"": pair(prompts, [0.5] * 120, [0.5] * 120)})
    assert found.interval is not None
    assert (found.value, found.se, found.p) == (0.0, 0.0, 1.0)
    assert gate(found.interval, 1.0) == "passed"


def test_categories_of_a_difference_are_weighted() -> None:
    found = difference({"counting": paired(slice(0, 4)), "colour": paired(slice(4, 8))})
    assert found.value == close(0.5 * 3 / 12 + 0.5 * 2 / 20)
    assert found.p == 0.125  # all four prompts that moved, moved up, whatever their weights
    assert found.interval is not None
    assert found.interval.method == "t with 6 degrees of freedom"


def test_only_what_both_runs_have_is_compared() -> None:
    both = pair(["b", "a", "a", "c"], [1.0, None, 0.5, None], [0.0, 1.0, 1.0, None])
    assert both.prompts == ("a", "b")
    assert (both.before.tolist(), both.after.tolist(), both.lost) == ([0.5, 1.0], [1.0, 0.0], 1)
    with pytest.raises(ValueError, match="no scored value in common in: 'colour'"):
        difference({"colour": pair(["a"], [None], [1.0])})


def test_sign_flip_of_many_prompts_is_drawn_and_never_zero() -> None:
    assert sign_flip(np.ones(13)) == 2 / 2**13
    assert sign_flip(np.ones(40)) == 1 / 10_001
    assert sign_flip(np.zeros(5)) == 1.0
    assert sign_flip(np.array([0.1, 0.2, -0.3, 0.0])) == 1.0


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=13))
def test_mcnemar_is_the_sign_flip_of_zeros_and_ones(changes: list[int]) -> None:
    exact = mcnemar(changes.count(-1), changes.count(1))
    assert sign_flip(np.array(changes, dtype=np.float64)) == pytest.approx(exact)


def test_percentile_needs_a_hundred_prompts_and_a_middling_value() -> None:
    def method(right: int, prompts: int, span: tuple[float, float] = (0.0, 1.0)) -> str:
        values = [span[1]] * right + [span[0]] * (prompts - right)
        only = {"": tally([f"{number:03d}" for number in range(prompts)], values)}
        found = interval(pooled(only[""]), only, span=span)
        assert found is not None
        return found.method.split(" ")[0]

    assert method(50, 100) == "percentile"
    assert method(50, 99) == "logit-t"
    assert method(91, 100) == method(9, 100) == "logit-t"
    assert method(90, 100) == method(10, 100) == "percentile"
    assert method(100, 100) == method(0, 100) == "exact"
    assert method(50, 100, (1.0, 5.0)) == "percentile"
    assert method(95, 100, (1.0, 5.0)) == "logit-t"


def test_a_perfect_run_has_an_exact_interval() -> None:
    assert exact_end(100, True, (0.0, 1.0)).low == close(0.9638)
    assert exact_end(100, False, (0.0, 1.0)).high == close(0.0362)
    assert exact_end(100, True, (0.0, 10.0)).low == close(9.638, 1e-3)
    single = {"": tally(["a"], [1.0])}
    found = interval(pooled(single[""]), single)
    assert found is not None
    assert (found.low, found.high) == (close(0.025), 1.0)


def test_prompts_that_are_all_alike_do_not_have_an_interval_of_no_width() -> None:
    alike = tally([str(number) for number in range(4)], [0.25] * 4)
    found = interval(per_prompt(alike), {"": alike})
    share = 0.025**0.25  # .3976
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(share * 0.25), pytest.approx(share * 0.25 + 1.0 - share))
    two = {"a": alike, "b": tally(["x", "y"], [0.5, 0.5])}
    both = interval(categories(two), two)
    assert both is not None
    assert both.low == pytest.approx(0.5 * share * 0.25 + 0.5 * math.sqrt(0.025) * 0.5)


def test_scaling_the_range_scales_the_interval() -> None:
    one, ten = logit_t(0.3, 0.05, 9, (0.0, 1.0)), logit_t(3.0, 0.5, 9, (0.0, 10.0))
    assert (ten.low, ten.high) == (pytest.approx(10 * one.low), pytest.approx(10 * one.high))


def test_too_few_prompts_have_a_value_and_no_error() -> None:
    found = pooled(tally(["a", "a"], [1.0, 0.0]))
    assert (found.value, found.se, found.warning) == (0.5, None, "one prompt has no standard error")
    several = categories({"one": tally(["a"], [1.0]), "two": tally(["b", "c"], [1.0, 0.0])})
    assert (several.value, several.se) == (0.75, None)
    assert several.warning == "one prompt has no standard error: one"


def test_nothing_scored_has_no_value() -> None:
    empty = tally(["a"], [None])
    assert (pooled(empty).value, pooled(empty).warning) == (None, "nothing was scored")
    assert per_prompt(empty).value is None
    assert interval(pooled(empty), {"": empty}) is None
    several = categories({"one": empty, "two": tally(["b"], [1.0])})
    assert (several.value, several.warning) == (None, "nothing was scored in: one")


def test_the_order_of_rows_does_not_matter() -> None:
    prompts, values = verdicts(RIGHT_A)
    mixed = np.random.default_rng(1).permutation(len(values))
    one, other = tally(prompts, values), tally([prompts[row] for row in mixed], [values[row] for row in mixed])
    assert one.prompts == other.prompts
    assert pooled(one) == pooled(other)
    assert bootstrap({"": one}, {"": 1.0}) == bootstrap({"": other}, {"": 1.0})


def test_published_weights_are_used_as_given() -> None:
    found = categories(by_category(RIGHT_A), {"counting": 0.7, "colour": 0.2})
    assert found.value == close(0.7 * 7 / 12 + 0.2 * 0.65)


def test_a_prompt_in_several_categories_counts_in_each() -> None:
    both = {"x": tally(["a", "b", "c"], [1.0, 0.0, 1.0]), "y": tally(["b", "c", "d"], [0.0, 1.0, 1.0])}
    found = overlapping(both)
    # u = 1/18, -2/9, 1/9, 1/18 by hand; SE^2 = 4/3 * sum of squares
    assert (found.value, found.clusters) == (close(2 / 3), 4)
    assert found.se == close(math.sqrt(4 / 3 * (1 + 16 + 4 + 1) / 324))


def test_the_overlapping_bootstrap_of_one_category_is_the_plain_one() -> None:
    only = {"": counted(RIGHT_A)}
    found = harness.interval.bootstrap_overlapping(only, {"": 1.0})
    plain = bootstrap(only, {"": 1.0})
    assert (found.low, found.high) == (pytest.approx(plain.low), pytest.approx(plain.high))


def test_degrees_of_freedom_fall_with_the_categories() -> None:
    tallies = by_category(RIGHT_A)
    found = interval(categories(tallies), tallies)
    assert found is not None
    assert found.method == "logit-t with 6 degrees of freedom"


def uneven() -> Tally:
    """Long prompts are always right and short ones never, so that the pooled and the per-prompt figure differ."""
    prompts = [f"{number:03d}" for number in range(120) for _ in range(4 if number % 2 else 1)]
    return tally(prompts, [float(int(prompt) % 2) for prompt in prompts])


def test_each_estimator_is_resampled_in_its_own_way() -> None:
    only = {"": uneven()}
    long_weighs_more, all_weigh_alike = interval(pooled(only[""]), only), interval(per_prompt(only[""]), only)
    assert long_weighs_more is not None
    assert all_weigh_alike is not None
    assert long_weighs_more.low < 0.8 < long_weighs_more.high
    assert all_weigh_alike.low < 0.5 < all_weigh_alike.high < long_weighs_more.low


def test_overlapping_categories_share_one_draw_of_prompts() -> None:
    prompts = [f"{number:03d}" for number in range(120)]
    right = [float(number % 2) for number in range(120)]
    opposite = {"x": tally(prompts, right), "y": tally(prompts, [1.0 - value for value in right])}
    joint, apart = interval(overlapping(opposite), opposite), interval(categories(opposite), opposite)
    assert joint is not None
    assert apart is not None
    assert (joint.low, joint.high) == (close(0.5), close(0.5))  # what one category gains the other loses
    assert apart.high - apart.low > 0.05


def test_chunks_change_no_number() -> None:
    chunked = np.concatenate(list(resamples(np.random.default_rng(0), 7)))
    whole = np.random.default_rng(0).multinomial(7, [1 / 7] * 7, size=10_000)
    assert (chunked == whole).all()


@pytest.mark.parametrize(
    ("rate", "prompts", "images", "unpaired", "paired_points"),
    [(0.8, 553, 4, 5.0, 3.5), (0.5, 1000, 1, 6.3, 4.4), (0.5, 280, 1, 11.8, 8.4), (0.6, 64, 4, 18.0, 12.7)],
)
def test_detectable_effects_of_4_5(
    rate: float, prompts: int, images: int, unpaired: float, paired_points: float
) -> None:
    assert 100 * detectable_before(rate, prompts, images, paired=False) == close(unpaired, 0.05)
    assert 100 * detectable_before(rate, prompts, images, paired=True) == close(paired_points, 0.05)


def test_detectable_effects_after_a_run() -> None:
    assert detectable_unpaired(0.01) == close(0.03962, 1e-5)
    assert detectable_paired(0.01) == close(0.028016, 1e-6)
    assert items_for_gate(0.01, 0.05) == 3925
    assert items_for_gate(0.02, 0.05) == close(981, 1.0)


# R8: coverage in simulation; beta-binomial prompts, ICC .4, 4 images each.


@cache
def drawn(count: int) -> tuple[npt.NDArray[np.float64], ...]:
    return tuple(resamples(np.random.default_rng(0), count))


def remembered(random: np.random.Generator, count: int) -> Iterator[npt.NDArray[np.float64]]:
    """The same resamples, kept: they depend on the number of prompts alone."""
    assert random.bit_generator.state == np.random.default_rng(0).bit_generator.state
    yield from drawn(count)


def covered(rate: float, prompts: int, repetitions: int) -> float:
    random = np.random.default_rng((7, prompts, int(100 * rate)))
    spread = (1.0 - 0.4) / 0.4
    names, counts = tuple(f"{number:04d}" for number in range(prompts)), np.full(prompts, 4.0)
    hits = 0
    for _ in range(repetitions):
        sums = random.binomial(4, random.beta(rate * spread, (1.0 - rate) * spread, prompts)).astype(np.float64)
        only = Tally(names, sums, counts, sums)
        found = interval(pooled(only), {"": only})
        hits += found is not None and found.low <= rate <= found.high
    return hits / repetitions


def test_R8_intervals_cover_in_a_small_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.interval, "resamples", remembered)
    assert 0.93 <= covered(0.5, 100, 1000) <= 0.97
    assert 0.93 <= covered(0.95, 100, 1000) <= 0.97


@pytest.mark.proof
@pytest.mark.parametrize("prompts", [100, 300])
@pytest.mark.parametrize("rate", [0.5, 0.8, 0.95])
def test_R8_intervals_cover_95_percent(monkeypatch: pytest.MonkeyPatch, rate: float, prompts: int) -> None:
    monkeypatch.setattr(harness.interval, "resamples", remembered)
    share = covered(rate, prompts, 2000)
    print(f"p {rate}, {prompts} prompts: the 95 % interval covers {share:.4f}")
    assert 0.93 <= share <= 0.97
