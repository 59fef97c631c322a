"""How much may be in flight: the adaptive limit, the bucket, the breaker, the budget."""

from __future__ import annotations

import pytest

from reward.budget import Budget
from reward.limit import Breaker, Bucket, Limit


def test_a_full_window_of_successes_adds_one_call_up_to_the_ceiling() -> None:
    limit = Limit(ceiling=10, now=8)
    for _ in range(8):
        limit.succeeded(0.0)
    assert limit.now == 9
    for _ in range(100):
        limit.succeeded(0.0)
    assert limit.now == 10


def test_strain_halves_once_a_window_and_never_below_one() -> None:
    limit = Limit(ceiling=64, now=16)
    limit.strained(started=1.0, at=2.0)
    limit.strained(started=1.5, at=2.1)
    assert limit.now == 8
    limit.strained(started=2.5, at=3.0)
    assert limit.now == 4
    for at in range(4, 20):
        limit.strained(started=float(at), at=at + 0.5)
    assert limit.now == 1
    assert limit.history[:2] == [(2.0, 8), (3.0, 4)]


def test_a_bucket_lets_a_rate_through() -> None:
    bucket = Bucket(rate=10.0, filled_at=0.0)
    assert [round(bucket.take(0.0), 6) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert bucket.take(5.0) == 0.0


def test_ten_losses_in_a_row_open_a_breaker_for_half_a_minute() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.lost(0.0, "gone")
    breaker.answered()
    for _ in range(10):
        assert breaker.allows(0.0, 5)
        breaker.lost(0.0, "gone")
    assert not breaker.allows(29.0, 0)
    assert breaker.allows(30.0, 0)
    assert not breaker.allows(30.0, 1)
    breaker.answered()
    assert breaker.allows(30.0, 5)


def test_the_third_opening_in_a_row_is_the_last() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.lost(0.0, "gone")
    breaker.lost(10.0, "was in flight")
    assert breaker.openings == 1
    breaker.lost(31.0, "gone")
    assert (breaker.openings, breaker.dead) == (2, "")
    breaker.lost(62.0, "gone for good")
    assert breaker.dead == "gone for good"
    assert not breaker.allows(1e9, 0)


def test_a_budget_ends_with_its_calls_or_before_its_money() -> None:
    assert Budget(max_calls=2, calls=2).refusal(0) == "the budget of 2 calls is spent"
    budget = Budget(max_cost=1.0, price_in=100.0, price_out=1000.0)
    assert budget.refusal(0) == ""
    budget.paid(2000, 100)
    assert budget.cost() == pytest.approx(0.3)
    assert budget.refusal(1) == ""
    assert "the budget of 1 is spent" in budget.refusal(2)
    with pytest.raises(ValueError, match="max_cost= needs price_in="):
        Budget(max_cost=1.0)
