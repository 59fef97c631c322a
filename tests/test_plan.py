"""Plans: the published seeds, and what decides them."""

from __future__ import annotations

import pytest

from harness.plan import choose, make_plan, share
from tasks.key import seed_for
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

SAMPLES = tuple(Sample(f"s{number}", Request(f"prompt {number}"), (Question("q", "Yes?"),)) for number in range(10))
TASK = Task("ten", "1", "evaluation", SAMPLES, RewardSpec(combine="pooled"))


def test_seeds_are_those_of_the_specification() -> None:
    assert seed_for(0, "scenes-0001", 0) == 689662848
    assert seed_for(0, "scenes-0001", 1) == 307894301


def test_a_seed_depends_on_neither_order_nor_company() -> None:
    whole = {(cell.sample, cell.index): cell.seed for cell in make_plan(SAMPLES, 4, 7)}
    part = {(cell.sample, cell.index): cell.seed for cell in make_plan(SAMPLES[5:4:-1], 2, 7)}
    assert part.items() <= whole.items()
    assert len(set(whole.values())) == 40
    assert not {cell.seed for cell in make_plan(SAMPLES, 4, 8)} & set(whole.values())


def test_a_plan_goes_sample_by_sample() -> None:
    assert [(cell.sample, cell.index) for cell in make_plan(SAMPLES[:2], 2, 0)] == [
        ("s0", 0), ("s0", 1), ("s1", 0), ("s1", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("processes", [1, 2, 3, 50])
def test_shares_are_disjoint_and_whole(processes: int) -> None:
    plan = make_plan(SAMPLES, 4, 0)
    shares = [share(plan, rank, processes) for rank in range(processes)]
    assert sorted(cell.seed for some in shares for cell in some) == sorted(cell.seed for cell in plan)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("limit", "count"), [(None, 10), (3, 3), (0.25, 2), (0.01, 1), (1, 1), (1000, 10)])
def test_a_limit_is_a_number_or_a_share(limit: float | None, count: int) -> None:
    assert choose(TASK, limit, ()) == SAMPLES[:count]


def test_samples_are_chosen_by_name_once_each() -> None:
    assert choose(TASK, None, ("s3", "s1", "s3")) == (SAMPLES[3], SAMPLES[1])
    with pytest.raises(ValueError, match="no sample of ten named 's11'; did you mean"):
        choose(TASK, None, ("s11",))
