"""Distances between texts and between lists of words, by numbers worked out by hand."""

from __future__ import annotations

import pytest

from reward.distance import edits, likeness, matched, nearest_run, normalised, recall, word_distance


def test_letters_put_in_taken_out_and_replaced_are_counted() -> None:
    assert edits("kitten", "sitting") == 3
    assert edits("", "abc") == edits("abc", "") == 3
    assert edits("same", "same") == 0


def test_more_edits_than_letters_are_worth_nothing_and_not_less() -> None:
    assert likeness("open", "open") == 1.0
    assert likeness("opem", "open") == 0.75
    assert likeness("something else entirely", "open") == 0.0


def test_the_nearest_run_of_words_is_found_among_others() -> None:
    words = ["welcome", "to", "joe", "s", "diner", "open", "24", "hours", "daily"]
    assert nearest_run(words, "open 24 hours") == "open 24 hours"
    assert nearest_run(words, "joes diner") == "joe s diner"
    assert nearest_run(words, "zzzz") == ""
    assert nearest_run([], "open") == ""
    assert nearest_run(["開", "門", "大", "吉"], "門大", "") == "門大"


def test_a_word_is_matched_as_often_as_it_is_there() -> None:
    assert matched(["the", "cat", "the"], ["the", "the", "dog"]) == 2
    assert matched(["the"], ["the", "the"]) == 1
    assert matched([], ["the"]) == 0


def test_word_distance_is_the_best_match_and_the_difference_in_number() -> None:
    """cat-cat costs 0, dog-dig 1/3, one word too many costs 1: (1/3 + 1) / 3."""
    assert word_distance(["dig", "cat", "more"], ["cat", "dog"]) == pytest.approx((1 / 3 + 1) / 3)
    assert word_distance(["cat"], ["cat"]) == 0.0
    assert word_distance([], ["cat"]) == 1.0
    assert word_distance(["cat"], []) == 1.0


def test_recall_takes_each_found_word_once_and_up_to_three_tenths_away() -> None:
    assert normalised("hous", "hours") == pytest.approx(0.2)
    assert recall(["hous"], ["hours", "hours"]) == 0.5
    assert recall(["hxxrs"], ["hours"]) == 0.0
    assert recall([], ["hours"]) == 0.0
