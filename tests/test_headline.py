"""Each headline on rows worked out by hand: what it is, what is missing, what strict makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.headline import headline_record
from harness.summary import summarise
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

REWARD = {"id": "r", "range": [0.0, 1.0]}


def sample(name: str, *questions: str, tags: tuple[str, ...] = ()) -> Sample:
    """A sample with a question for every tag given."""
    asked = tuple(Question(f"q{place}", "?", tag=tag) for place, tag in enumerate(questions))
    return Sample(name, Request(name), asked, tags)


def task(samples: list[Sample], headline: str, **more: Any) -> Task:
    return Task("t", "1", "test", tuple(samples), RewardSpec(), headline, **more)


def results(
    task: Task,
    scores: dict[str, float | None],
    answers: dict[str, list[float | None]] | None = None,
    parts: dict[str, dict[str, float | None]] | None = None,
    samples: tuple[Sample, ...] | None = None,
    reward: dict[str, Any] = REWARD,
) -> dict[str, Any]:
    """The results of one image a sample."""
    planned = task.samples if samples is None else samples
    tags: dict[str, list[str]] = {}
    for one in planned:
        for tag in one.tags:
            tags.setdefault(tag, []).append(one.id)
    run = {
        "id": "x",
        "config": {"min_coverage": 0.5},
        "reward": reward,
        "verifier": {},
        "task": {
            "name": "t", "version": "1", "headline": task.headline, "samples": [one.id for one in planned],
            "images_per_sample": 1, "questions": sum(len(one.questions) for one in planned), "tags": tags,
            **headline_record(task, planned),
        },
    }  # fmt: skip
    rows = [
        {"sample": one.id, "index": 0, "status": "parse_error" if scores[one.id] is None else "ok", "tags": one.tags,
         "score": scores[one.id], "parts": (parts or {}).get(one.id, {}), "guards": {}, "image": None, "seconds": 0.0}
        for one in planned if one.id in scores
    ]  # fmt: skip
    verdicts = [
        {"sample": name, "index": 0, "question": f"q{place}", "status": "parse_error" if value is None else "ok",
         "value": value, "reply_key": None, "tries": 1, "latency_ms": 0.0, "cached": False, "tokens": (0, 0)}
        for name, values in (answers or {}).items() for place, value in enumerate(values)
    ]  # fmt: skip
    return summarise(run, rows, verdicts)


def figure(found: dict[str, Any], key: str, name: str = "score") -> dict[str, Any]:
    """The figure of one tag or compound."""
    return next(one for one in found["groups"] if one["key"] == key and one["name"] == name)


TWO = [sample("1", tags=("a",)), sample("2", tags=("a",)), sample("3", tags=("b",)), sample("4", tags=("b",))]


def test_weighted_tags_use_the_published_weights() -> None:
    found = results(task(TWO, "weighted tags", weights={"a": 0.7, "b": 0.3}), {"1": 1.0, "2": 0.0, "3": 1.0, "4": 1.0})
    assert found["metrics"][0]["value"] == pytest.approx(0.7 * 0.5 + 0.3 * 1.0)


def test_a_tag_without_a_scored_item_leaves_no_headline() -> None:
    found = results(
        task(TWO, "weighted tags", weights={"a": 0.7, "b": 0.3}), {"1": 1.0, "2": 0.0, "3": None, "4": None}
    )
    headline = found["metrics"][0]
    assert headline["value"] is None
    assert found["headline"] is None
    assert "nothing was scored in: b" in found["withheld"]
    assert (headline["scored"], headline["planned"]) == (2, 4)
    assert headline["strict"] == pytest.approx(0.7 * 0.5)


def test_tags_outside_the_weights_are_told_and_do_not_count() -> None:
    some = [sample("1", tags=("a", "dark")), sample("2", tags=("b",)), sample("3", tags=("dark",))]
    found = results(task(some, "mean of tags", weights={"a": 0.5, "b": 0.5}), {"1": 1.0, "2": 0.5, "3": 0.0})
    assert found["metrics"][0]["value"] == pytest.approx(0.75)
    assert figure(found, "dark")["value"] == pytest.approx(0.5)


def test_strict_counts_every_missing_item_as_zero_even_where_the_scale_starts_at_one() -> None:
    reward = {"id": "r", "range": [1.0, 5.0]}
    found = results(
        task([sample("1"), sample("2"), sample("3")], "mean"), {"1": 4.0, "2": None, "3": 5.0}, reward=reward
    )
    headline = found["metrics"][0]
    assert headline["value"] == pytest.approx(4.5)
    assert headline["strict"] == pytest.approx(3.0)
    assert headline["bounds"] == {"low": pytest.approx(10 / 3), "high": pytest.approx(14 / 3)}


def test_a_scale_of_a_hundred_moves_figure_error_bounds_and_range() -> None:
    scores = {"1": 0.2, "2": 0.4}
    plain = results(task([sample("1"), sample("2")], "mean"), scores)["metrics"][0]
    scaled = results(task([sample("1"), sample("2")], "mean", scale=100.0), scores)["metrics"][0]
    assert scaled["value"] == pytest.approx(100 * plain["value"])
    assert scaled["se"] == pytest.approx(100 * plain["se"])
    assert scaled["ci"]["high"] == pytest.approx(100 * plain["ci"]["high"])
    assert scaled["range"] == [0.0, 100.0]


def test_pooled_answers_weigh_prompts_by_their_answers() -> None:
    some = [sample("1", "", "", ""), sample("2", "")]
    found = results(task(some, "pooled"), {"1": 1.0, "2": 0.0}, {"1": [1.0, 1.0, 1.0], "2": [0.0]})
    assert found["metrics"][0]["value"] == pytest.approx(3 / 4)
    assert found["metrics"][0]["per_prompt"]["value"] == pytest.approx(1 / 2)


def test_pooled_by_tag_counts_answers_alone_and_an_unread_one_leaves_both_sides() -> None:
    some = [sample("1", "A - x", "A - y", "B"), sample("2", "A - x", "B", "B")]
    asked = task(some, "pooled by tag", weights={"A": 0.5, "B": 0.5})
    found = results(asked, {"1": None, "2": 0.5}, {"1": [1.0, None, 0.0], "2": [0.0, 1.0, 1.0]})
    headline = found["metrics"][0]
    assert headline["value"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert headline["strict"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert (headline["scored"], headline["planned"], headline["estimator"]) == (5, 6, "overlapping")
    assert figure(found, "A - x")["value"] == pytest.approx(1 / 2)
    assert figure(found, "A - y")["value"] is None
    assert figure(found, "B")["value"] == pytest.approx(2 / 3)


def test_an_image_that_was_never_made_counts_in_planned_answers() -> None:
    some = [sample("1", "A"), sample("2", "A", "A")]
    headline = results(task(some, "pooled by tag", weights={"A": 1.0}), {"1": 1.0}, {"1": [1.0]})["metrics"][0]
    assert (headline["scored"], headline["planned"]) == (1, 3)
    assert headline["bounds"] == {"low": pytest.approx(1 / 3), "high": 1.0}


def test_compounds_are_means_over_their_tags() -> None:
    asked = task(TWO, "mean of tags", compounds={"both": {"a": 0.25, "b": 0.75}, "one": {"a": 1.0}})
    found = results(asked, {"1": 1.0, "2": 0.0, "3": 1.0, "4": 1.0})
    assert figure(found, "both")["value"] == pytest.approx(0.25 * 0.5 + 0.75)
    assert figure(found, "one")["value"] == pytest.approx(0.5)


def test_share_complete_heads_with_the_complete_images_and_keeps_the_score_beside() -> None:
    parts: dict[str, dict[str, float | None]] = {"1": {"complete": 1.0}, "2": {"complete": 0.0}}
    found = results(task([sample("1"), sample("2"), sample("3")], "share complete"), {"1": 1.0, "2": 0.8}, parts=parts)
    assert [one["name"] for one in found["metrics"]] == ["complete", "score"]
    assert found["headline"] == "complete"
    assert found["metrics"][0]["value"] == pytest.approx(0.5)
    assert found["metrics"][0]["strict"] == pytest.approx(1 / 3)


def test_a_part_that_a_scored_image_lacks_by_right_is_no_missing_value() -> None:
    parts: dict[str, dict[str, float | None]] = {"1": {"knowledge": 1.0}, "2": {}}
    found = results(task([sample("1"), sample("2"), sample("3")], "mean"), {"1": 1.0, "2": 0.8}, parts=parts)
    knowledge = next(one for one in found["metrics"] if one["name"] == "knowledge")
    assert (knowledge["scored"], knowledge["planned"]) == (1, 2)  # image 3 was never made and might have had it


def test_a_limited_run_keeps_the_weights_of_the_tags_it_asks_for() -> None:
    asked = task(TWO, "weighted tags", weights={"a": 0.75, "b": 0.25})
    found = results(asked, {"1": 1.0, "2": 0.0}, samples=asked.samples[:2])
    assert found["metrics"][0]["value"] == pytest.approx(0.5)


def test_a_part_with_a_range_of_its_own_has_bounds_inside_it() -> None:
    reward = {"id": "r", "range": [0.0, 10.0], "ranges": {"SC": [0.0, 10.0]}}
    parts: dict[str, dict[str, float | None]] = {"1": {"SC": 4.0}}
    found = results(task([sample("1"), sample("2")], "mean"), {"1": 5.0}, parts=parts, reward=reward)
    part = next(one for one in found["metrics"] if one["name"] == "SC")
    assert part["bounds"] == {"low": pytest.approx(2.0), "high": pytest.approx(7.0)}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"headline": "weighted tags"}, "needs the weights of its tags"),
        ({"headline": "mean", "compounds": {"both": {"a": 0.0}}}, "no weight above 0 in its both to: a"),
    ],
)
def test_weights_that_could_not_be_used_are_named(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task(TWO, **more)


def test_marks_from_one_to_five_are_told_as_marks_and_released_rounding_is_kept() -> None:
    some = [sample("1", tags=("a",)), sample("2", tags=("a",)), sample("3", tags=("b",))]
    scores: dict[str, float | None] = {"1": 0.0, "2": 1 / 3, "3": 1.0}
    marks = results(task(some, "mean of tags", scale=4.0, offset=1.0), scores)["metrics"][0]
    assert marks["value"] == pytest.approx(((1 + 7 / 3) / 2 + 5) / 2)
    assert marks["range"] == [1.0, 5.0]
    rounded = task(some, "mean of tags", scale=4.0, offset=1.0, decimals={"image": 1, "tag": 1})
    assert results(rounded, scores)["metrics"][0]["value"] == pytest.approx((round((1 + 2.3) / 2, 1) + 5) / 2)
