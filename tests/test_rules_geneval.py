"""GenEval's rules give the official outcome, reason for reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reward.detection import Detection
from reward.rules_geneval import Thresholds, apart, intersection_over_union, judge, kept, outcome, relations, wanted

LIMITS = Thresholds()


def detections_of(case: dict[str, Any]) -> list[Detection]:
    return [Detection(one["class_name"], tuple(one["box"]), one["score"], one["color"]) for one in case["detections"]]


def test_six_hundred_cases_of_the_official_code_come_out_the_same(shared: Path) -> None:
    lines = (shared / "fixtures/geneval_rules/cases.jsonl").read_text().splitlines()
    assert len(lines) == 600
    for number, case in enumerate(map(json.loads, lines), start=1):
        found = outcome(judge(case["metadata"], detections_of(case), LIMITS))
        assert found == (case["correct"], case["reason"]), f"line {number}"


def box(left: float, top: float, size: float = 10.0) -> tuple[float, float, float, float]:
    return (left, top, left + size, top + size)


@pytest.mark.parametrize(
    ("one", "stands"),
    [
        (box(-30, 0), ("left of",)),
        (box(30, 0), ("right of",)),
        (box(0, -30), ("above",)),
        (box(0, 30), ("below",)),
        (box(-30, -30), ("above", "left of")),
        (box(2, 2), ()),  # within a tenth of both sizes
        (box(2.05, 0), ()),  # the slack leaves .05 of 2.05, less than half
        (box(0, 0), ()),
    ],
)
def test_relations_by_hand(one: Any, stands: tuple[str, ...]) -> None:
    assert relations(one, box(0, 0)) == stands


def test_scores_must_exceed_the_threshold_and_counting_has_its_own() -> None:
    found = [Detection("dog", box(0, 0), score) for score in (0.3, 0.31, 0.9, 0.91)]
    assert [one.score for one in kept(found, "colors", LIMITS)["dog"]] == [0.91, 0.9, 0.31]
    assert [one.score for one in kept(found, "counting", LIMITS)["dog"]] == [0.91]
    assert len(kept([found[3]] * 20, "colors", LIMITS)["dog"]) == 16


def test_of_equal_scores_the_later_one_comes_first() -> None:
    found = [Detection("dog", box(place, 0), 0.5) for place in range(3)]
    assert [one.box[0] for one in kept(found, "colors", LIMITS)["dog"]] == [2, 1, 0]


def test_overlapping_boxes_are_dropped_below_full_overlap_only() -> None:
    pair = [Detection("dog", box(0, 0), 0.9), Detection("dog", box(0, 0), 0.8)]
    assert apart(pair, 1.0) == pair
    assert apart(pair, 0.9) == pair[:1]
    assert intersection_over_union(box(0, 0), box(0, 5)) == pytest.approx(66 / 176)  # sides of 11 and 6


def test_a_detector_is_asked_for_the_classes_of_the_prompt_and_the_colours_it_needs() -> None:
    asked = {"include": [{"class": "dog", "count": 1, "color": "red"}], "exclude": [{"class": "cat", "count": 1}]}
    assert (wanted(asked).classes, wanted(asked).coloured) == (("dog", "cat"), ("dog",))


def test_what_was_found_is_kept_in_the_official_form() -> None:
    asked = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}]}
    clauses = judge(asked, [Detection("dog", box(0, 0), 0.5, "blue")], LIMITS)
    assert [(one.id, one.held) for one in clauses] == [("count 0", True), ("colour 0", False)]
    assert json.loads(clauses[0].found) == {"dog": [[0, 0, 10, 10, 0.5]]}
    assert clauses[1].found == "blue"
