"""Plan, windows and hashes, with the numbers of method.md 8.7."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from tasks.key import key
from trainer.plan import INITIAL, Group, own, plan_step, refill, share
from trainer.window import Window

FIVE = ("p0", "p1", "p2", "p3", "p4")
SRR, RT2I = Window(5, 0, 15), Window(10, 0, 11)


def starts(window: Window, step: int, slots: int = 4) -> list[int]:
    return [window.start(Group(42, step, slot, "")) for slot in range(slots)]


def test_T24_hashes_and_plan_are_those_of_the_vectors() -> None:
    assert key("window", 42, 0, 0, 0) == 3383513973234820487
    assert Group(42, 1, 3, "").window_hash() == 12337437449758012
    assert Group(42, 0, 0, "").noise_seed(3, 5) == 3665854552532723872
    chosen = [[group.prompt for group in plan_step(FIVE, 42, step, 2)] for step in range(5)]
    assert chosen == [["p0", "p3"], ["p2", "p4"], ["p1", "p4"], ["p0", "p2"], ["p3", "p1"]]


def test_T26_windows_are_those_of_the_vectors_and_belong_to_the_group() -> None:
    assert [starts(SRR, step) for step in range(3)] == [[7, 8, 9, 1], [1, 4, 0, 9], [10, 4, 4, 0]]
    assert [starts(RT2I, step) for step in range(2)] == [[1, 0, 0, 0], [1, 0, 1, 0]]
    for seed in (0, 1):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        assert starts(SRR, 0) == [7, 8, 9, 1]
    assert len({SRR.start(Group(42, step, 0, "")) for step in range(60)}) > 8


def test_T24_each_prompt_comes_once_an_epoch_and_a_step_depends_on_its_number_alone() -> None:
    for count in (1, 2, 3, 5, 7):
        steps = [plan_step(FIVE, 3, step, count) for step in range(20)]
        flat = [group.prompt for groups in steps for group in groups]
        for start in range(0, len(flat) - 4, 5):
            assert sorted(flat[start : start + 5]) == list(FIVE)
        assert plan_step(FIVE, 3, 11, count) == steps[11]
        assert [group.slot for group in steps[4]] == list(range(count))


@given(count=some.integers(1, 50), processes=some.integers(1, 8))
def test_T24_every_position_has_one_owner_and_all_processes_work_equally_much(count: int, processes: int) -> None:
    shares = [share(count, rank, processes) for rank in range(processes)]
    assert len({len(one) for one in shares}) == 1
    owned = [place for rank, one in enumerate(shares) for place in one[: own(count, rank, processes)]]
    assert owned == list(range(count))


def test_a_refill_takes_another_attempt_and_its_own_randomness() -> None:
    group = Group(42, 5, 1, "p0")
    again = refill(group, FIVE)
    assert again.attempt == 1
    assert again.prompt == FIVE[key("refill", 42, 5, 1, 1) % 5]
    assert again.noise_seed(0, 0) != group.noise_seed(0, 0)


def test_noise_is_apart_for_members_and_transitions_and_may_share_its_start() -> None:
    group = Group(0, 0, 0, "")
    assert len({group.noise_seed(member, k) for member in range(4) for k in range(-1, 6)}) == 28
    assert group.noise_seed(0, INITIAL, True) == group.noise_seed(3, INITIAL, True)
    assert group.noise_seed(0, 2, True) == group.noise_seed(0, 2)


def test_progressive_windows_move_by_their_stride_and_stop_at_the_end() -> None:
    window = Window(4, 0, 12, "progressive", stride=1, period=25)
    found = [window.choose(Group(0, step, 0, "")) for step in (0, 24, 25, 199, 200, 5000)]
    assert [one[0] for one in found] == [0, 0, 1, 7, 8, 8]
    assert found[2] == (1, 2, 3, 4)
    assert Window(2, 3, 9, "fixed").choose(Group(7, 5, 3, "")) == (3, 4)


@given(
    low=some.integers(0, 10),
    span=some.integers(1, 12),
    part=some.floats(0.0, 1.0),
    schedule=some.sampled_from(["random", "fixed", "progressive", "scattered"]),
    step=some.integers(0, 1000),
)
def test_T39_a_window_lies_in_its_range_in_order_without_repeats(low, span, part, schedule, step) -> None:  # type: ignore[no-untyped-def]
    window = Window(max(1, round(part * span)), low, low + span, schedule)
    window.check(low + span + 1)
    for slot in range(4):
        chosen = window.choose(Group(1, step, slot, ""))
        assert len(set(chosen)) == window.size
        assert list(chosen) == sorted(chosen)
        assert low <= chosen[0] <= chosen[-1] < low + span


@pytest.mark.parametrize("window", [Window(2, 0, 8), Window(3, 2, 4), Window(0, 0, 4), Window(1, -1, 4)])
def test_a_window_outside_the_grid_or_its_range_is_refused(window: Window) -> None:
    with pytest.raises(ValueError, match="window"):
        window.check(8)
