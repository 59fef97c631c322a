"""Advantages and shaping, with the numbers of method.md 8.5."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from trainer import advantage
from trainer.shaping import add_format, format_reward, gains, rectify

Rewards = list[float | None]
SCALES: tuple[advantage.Scale, ...] = ("batch", "batch_raw", "group", "none")
ONE: Rewards = [0.2, 0.4, 0.9, 0.5]
TWO: Rewards = [0.2, 0.6, 0.7, 0.9]
PAIRS = ["a", "a", "b", "b"]


@pytest.mark.parametrize("scale", ["batch", "batch_raw", "group"])
def test_T05_one_group_has_the_published_advantages_with_and_without_an_unscored_member(
    scale: advantage.Scale,
) -> None:
    found = advantage.advantages(ONE, "aaaa", scale)
    assert found.tolist() == pytest.approx([-1.176235, -0.392078, 1.568314, 0.0], abs=1e-6)
    masked = advantage.advantages([0.2, None, 0.9, 0.5], "aaaa", scale)
    assert masked.tolist() == pytest.approx([-1.162071, 0.0, 1.278278, -0.116207], abs=1e-6)
    smaller = advantage.advantages([0.2, 0.9, 0.5], "aaa", scale)
    assert masked[[0, 2, 3]].tolist() == smaller.tolist()


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        ("batch_raw", [-0.784157, 0.784157, -0.392078, 0.392078]),
        ("batch", [-1.264112, 1.264112, -0.632056, 0.632056]),
        ("group", [-0.999500, 0.999500, -0.999001, 0.999001]),
        ("none", [-0.2, 0.2, -0.1, 0.1]),
    ],
)
def test_two_groups_have_the_published_advantages(scale: advantage.Scale, wanted: list[float]) -> None:
    assert advantage.advantages(TWO, PAIRS, scale).tolist() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_T04_a_group_without_spread_or_with_one_valid_member_teaches_nothing(scale: advantage.Scale) -> None:
    rewards: Rewards = [0.1, 0.1, 0.1, 0.5, None, None, 0.2, 0.6]
    found = advantage.advantages(rewards, "aaabbbcc", scale)
    assert found[:6].tolist() == [0.0] * 6
    assert found[6] < 0 < found[7]
    assert advantage.flat_groups(rewards, "aaabbbcc") == 1
    # a group that is too small is also absent from the spread of the batch
    if scale == "batch_raw":
        alone = advantage.advantages([0.1, 0.1, 0.1, 0.2, 0.6], "aaacc", scale)
        assert found[[0, 1, 2, 6, 7]].tolist() == alone.tolist()


def test_T04_what_a_shift_of_one_group_and_a_common_factor_do() -> None:
    shifted: Rewards = [1.2, 1.6, 0.7, 0.9]
    factored: Rewards = [10 * reward for reward in TWO if reward is not None]
    for scale in SCALES:
        before = advantage.advantages(TWO, PAIRS, scale)
        same = np.allclose(advantage.advantages(shifted, PAIRS, scale), before, atol=1e-12)
        assert same == (scale != "batch_raw")
        scaled = advantage.advantages(factored, PAIRS, scale)
        assert scaled == pytest.approx(before * (10 if scale == "none" else 1), rel=2e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_T05_a_group_without_any_score_contributes_exactly_nothing(scale: advantage.Scale) -> None:
    found = advantage.advantages([None, None, *TWO], ["x", "x", *PAIRS], scale)
    assert found[:2].tolist() == [0.0, 0.0]
    assert found[2:].tolist() == advantage.advantages(TWO, PAIRS, scale).tolist()
    assert not advantage.advantages([None, None], "xx", scale).any()


def test_T06_several_rewards_agree_with_an_oracle() -> None:
    random = np.random.default_rng(0)
    values = random.random((2, 3, 4))  # rewards, groups, members
    groups = [row for row in range(3) for _ in range(4)]
    rewards = {"one": values[0].ravel().tolist(), "two": (5 * values[1]).ravel().tolist()}
    weights = {"one": 1.0, "two": 0.5}
    scaled = values * np.array([1.0, 5.0])[:, None, None]
    middle = scaled - scaled.mean(2, keepdims=True)
    batch = middle / (middle.std((1, 2), keepdims=True) + 1e-4)
    summed = (batch * np.array([1.0, 0.5])[:, None, None]).sum(0).ravel()
    found = advantage.several_advantages(rewards, weights, groups, "normalize_then_sum")
    assert np.allclose(found, summed, atol=1e-12)
    within = middle / (middle.std(2, keepdims=True) + 1e-4)
    summed = (within * np.array([1.0, 0.5])[:, None, None]).sum(0).ravel()
    found = advantage.several_advantages(rewards, weights, groups, "gdpo")
    assert np.allclose(found, (summed - summed.mean()) / (summed.std() + 1e-4), atol=1e-12)
    total = [one + 0.5 * two for one, two in zip(rewards["one"], rewards["two"], strict=True)]
    found = advantage.several_advantages(rewards, weights, groups)
    assert np.allclose(found, advantage.advantages(total, groups), atol=1e-12)


def test_T06_an_unscored_reward_is_masked_apart_or_takes_its_sample_with_it() -> None:
    rewards: dict[str, Rewards] = {"one": ONE, "two": [None, 0.3, 0.5, 0.1]}
    weights = {"one": 1.0, "two": 1.0}
    summed = advantage.several_advantages(rewards, weights, "aaaa")
    assert summed[0] == 0.0
    apart = advantage.several_advantages(rewards, weights, "aaaa", "normalize_then_sum")
    assert apart[0] == advantage.advantages(ONE, "aaaa")[0]
    ignored = advantage.several_advantages(rewards, {"one": 1.0, "two": 0.0}, "aaaa")
    assert ignored.tolist() == advantage.advantages(ONE, "aaaa").tolist()


@pytest.mark.parametrize(
    ("rule", "rewards", "wanted"),
    [
        ("none", [0.50, 0.62, 0.55, 0.70], [-1.226935, 0.364765, -0.563727, 1.425898]),
        ("floor", [0.55, 0.62, 0.55, 0.70], [-0.887862, 0.242144, -0.887862, 1.533579]),
        ("group_min", [0.50, 0.62, 0.50, 0.70], [-0.941699, 0.470850, -0.941699, 1.412549]),
    ],
)
def test_a_refinement_that_improves_nothing_is_rectified(rule, rewards, wanted) -> None:  # type: ignore[no-untyped-def]
    found = rectify([0.50, 0.62, 0.55, 0.70], 0.55, rule)
    assert found == rewards
    assert advantage.advantages(found, "aaaa").tolist() == pytest.approx(wanted, abs=1e-6)


def test_rectification_keeps_the_unscored_and_needs_the_score_of_the_input() -> None:
    assert rectify([0.2, None, 0.9], 0.5) == [0.5, None, 0.9]
    assert rectify([0.2, None, 0.9], None) == [None, None, None]
    assert rectify([0.6, None, 0.4, 0.5], 0.5, "group_min") == [0.6, None, 0.4, 0.4]
    assert gains([0.5, 0.7, None, 0.6, 0.4]) == [pytest.approx(0.2), None, None, 0.0]


def test_one_round_of_gains_teaches_what_the_floor_teaches() -> None:
    floor = advantage.advantages(rectify([0.50, 0.62, 0.55, 0.70], 0.55), "aaaa")
    rounds: Rewards = [gains([0.55, reward])[0] for reward in (0.50, 0.62, 0.55, 0.70)]
    assert advantage.advantages(rounds, "aaaa") == pytest.approx(floor, abs=1e-12)


def test_the_format_reward_wants_the_thought_opened_first_and_closed_last() -> None:
    texts = ["<think> a plan </think>", "<think> a plan", "a <think> b </think>", "<think>a</think> more", ""]
    assert [format_reward(text) for text in texts] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert add_format([0.5, None], texts[:2], 2.0) == [2.5, None]


def test_other_estimators_by_hand() -> None:
    rewards: Rewards = [0.2, None, 0.8, 0.8]
    assert advantage.raw(rewards, "aaaa").tolist() == [0.2, 0.0, 0.8, 0.8]
    assert advantage.best(rewards, "aaaa").tolist() == [0.0, 0.0, 1.0, 0.0]
    assert advantage.best_worst(rewards, "aaaa").tolist() == [-1.0, 0.0, 1.0, 0.0]
    assert not advantage.best_worst([0.3, 0.3], "aa").any()
    assert advantage.remax(rewards, "aaaa", {"a": 0.5}).tolist() == pytest.approx([-0.3, 0.0, 0.3, 0.3])
    root = ((0.5**2 + 2 * 0.1**2) / 3) ** 0.5 + 1e-4
    found = advantage.anchor(rewards, "aaaa", {"a": 0.7})
    assert found.tolist() == pytest.approx([-0.5 / root, 0.0, 0.1 / root, 0.1 / root])
    assert advantage.clip(np.array([-9.0, 3.0]), 5.0).tolist() == [-5.0, 3.0]


@given(
    rewards=some.lists(some.one_of(some.none(), some.floats(0.0, 1.0)), min_size=1, max_size=24),
    size=some.integers(1, 6),
    scale=some.sampled_from(SCALES),
)
def test_T39_advantages_of_a_group_sum_to_nothing_and_follow_the_order_of_rewards(
    rewards: Rewards, size: int, scale: advantage.Scale
) -> None:
    groups = [place // size for place in range(len(rewards))]
    found = advantage.advantages(rewards, groups, scale)
    for places in advantage.members(groups).values():
        assert sum(found[places]) == pytest.approx(0.0, abs=1e-6)
        scored = sorted((rewards[place], found[place]) for place in places if rewards[place] is not None)
        assert all(before[1] <= after[1] + 1e-9 for before, after in pairwise(scored))
    assert all(found[place] == 0.0 for place, reward in enumerate(rewards) if reward is None)
