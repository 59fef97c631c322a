"""Marks are read strictly: what a judge did not say plainly has no value (the parse rules all benchmarks share)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward.marks import FORMS, Unreadable, read_marks, value_of
from tasks.scale import RIGHT_OR_WRONG, ZERO_HALF_ONE, whole_marks

WISE = ("Consistency", "Realism", "Aesthetic Quality")


@pytest.mark.parametrize(
    "text",
    [
        "Consistency: 2\nRealism: 1\nAesthetic Quality: 0",
        "**Consistency:** 2.\n**Realism:** 1.\n**Aesthetic Quality:** 0.",
        "**Consistency**: 2\n- Realism: 1 \n3. Aesthetic Quality: 0",
        "The picture shows it well.\nconsistency: 2\nREALISM = 1\nAesthetic Quality: 0/2",
    ],
)
def test_named_lines_are_read(text: str) -> None:
    assert read_marks("lines", text, WISE) in (["2", "1", "0"], ["2", "1", "0/2"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2\n1\n0",
        "Consistency: 2\nRealism: 1",
        "Consistency: 2\nRealism: 1\nRealism: 2\nAesthetic Quality: 0",
        "Its Realism is fair.\nConsistency: 2\nRealism: 1\nAesthetic Quality: 0",
        "Consistency: 2\nRealism: 1 or 2\nAesthetic Quality: 0",
        "Consistency: 2\nRealism: 1 (Acceptable)\nAesthetic Quality: 0",
        "Consistency: two\nRealism: 1\nAesthetic Quality: 0",
        "Consistency: 2, Realism: 1, Aesthetic Quality: 0",
        "Hyperrealism: 1\nConsistency: 2\nAesthetic Quality: 0",
    ],
)
def test_named_lines_that_say_anything_else_are_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_marks("lines", text, WISE)


@pytest.mark.parametrize(("mark", "value"), [("1", 0.0), ("5", 1.0), ("3", 0.5), ("3/5", 0.5), ("3 / 5", 0.5)])
def test_a_mark_has_its_place_on_the_scale(mark: str, value: float) -> None:
    assert value_of(mark, whole_marks(1, 5)) == value


@pytest.mark.parametrize("mark", ["0", "6", "-1", "2.5", "3.0", "3/10", "3/4", "yes", ""])
def test_a_mark_off_the_scale_has_no_value(mark: str) -> None:
    with pytest.raises(Unreadable, match="is none of"):
        value_of(mark, whole_marks(1, 5))


def test_numbers_between_marks_count_only_where_that_is_allowed() -> None:
    assert value_of("0.25", RIGHT_OR_WRONG, between=True) == 0.25
    assert value_of("1", RIGHT_OR_WRONG, between=True) == 1.0
    assert value_of("0.5", ZERO_HALF_ONE) == 0.5
    for mark, between in (("0.25", False), ("1.1", True), ("-0.1", True)):
        with pytest.raises(Unreadable):
            value_of(mark, RIGHT_OR_WRONG, between)


@pytest.mark.parametrize(
    ("form", "text", "names", "marks"),
    [
        ("json", '{"correct": 1, "reason": "a {brace} inside"}', ["correct"], ["1"]),
        ("json", 'Here it is:\n```json\n{"Correct": 0}\n```\n', ["correct"], ["0"]),
        ("json numbered", '```json\n{"1": 0.5, "2": 1}\n```', ["a", "b"], ["0.5", "1"]),
        ("json list", '{"score": [8, 7], "reasoning": "fine"}', ["a", "b"], ["8", "7"]),
        ("json list", "[8, 7]", ["a", "b"], ["8", "7"]),
        ("json list", 'Output: {"score": ["8", 7.0]} as asked', ["a", "b"], ["8", "7"]),
        ("tagged lists", "<analysis>['x', 'y']</analysis>\n<score>[1, 0]</score>", ["a", "b"], ["1", "0"]),
        ("yes no lines", "Yes, it is.\nBecause of this\n\nno - none", ["a", "b"], ["yes", "no"]),
    ],
)
def test_every_form_is_read(form: str, text: str, names: list[str], marks: list[str]) -> None:
    assert read_marks(form, text, names) == marks


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", "[1]"),
        ("json", '{"correct": true, "other": 1}'),
        ("json", '{"correct": 1, "correct": 0, "other": 1}'),
        ("json", '{"correct": 1, "other": 1} {"correct": 0, "other": 1}'),
        ("json", '{"correct": 1, "Correct": 0, "other": 1}'),
        ("json", '{"correct": NaN, "other": 1}'),
        ("json", '{"correct": 1'),
        ("json numbered", '{"1": 1}'),
        ("json numbered", '{"1": 1, "2": 1, "3": 0}'),
        ("json list", '{"score": 8}'),
        ("json list", '{"score": [8]}'),
        ("json list", '{"score": [8, 7, 6]}'),
        ("json list", '{"score": [8, "good"]}'),
        ("tagged lists", "<analysis>['x']</analysis><score>[1, 0]</score>"),
        ("tagged lists", "<score>[1, 0]</score>"),
        ("tagged lists", "<analysis>[1,1]</analysis><score>[1,0]</score><score>[0,0]</score>"),
        ("tagged lists", "<analysis>[1,1]</analysis><score>open('x')</score>"),
        ("yes no lines", "yes"),
        ("yes no lines", "yes\nno\nyes"),
        ("yes no lines", "nobody\nyesterday"),
    ],
)
def test_hostile_replies_are_unreadable(form: str, text: str) -> None:
    with pytest.raises(Unreadable):
        read_marks(form, text, ["correct", "other"])


def test_a_reply_of_endless_length_is_unreadable() -> None:
    for form in FORMS:
        with pytest.raises(Unreadable, match="more than"):
            read_marks(form, "{" * 200_000, ["correct"])


@given(st.sampled_from(sorted(FORMS)), st.text(), st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3))
def test_any_text_gives_one_mark_a_name_or_none_at_all(form: str, text: str, names: list[str]) -> None:
    try:
        found = read_marks(form, text, names)
    except Unreadable:
        return
    assert len(found) == len(names)


@given(st.lists(st.integers(-3, 9), min_size=3, max_size=3), st.booleans(), st.text("abc :\n", max_size=20))
def test_marks_written_plainly_come_back_and_only_on_the_scale(marks: list[int], bold: bool, before: str) -> None:
    star = "**" if bold else ""
    lines = [f"{star}{name}:{star} {mark}" for name, mark in zip(WISE, marks, strict=True)]
    found = read_marks("lines", before + "\n" + "\n".join(lines), WISE)
    assert found == [str(mark) for mark in marks]
    for mark in marks:
        if mark in (0, 1, 2):
            assert value_of(str(mark), whole_marks(0, 2)) == mark / 2
        else:
            with pytest.raises(Unreadable):
                value_of(str(mark), whole_marks(0, 2))


@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.floats() | st.lists(st.integers())),
    st.integers(0, 10),
)
def test_a_json_mark_comes_back_whatever_stands_beside_it(other: dict[str, object], mark: int) -> None:
    beside = {key: value for key, value in other.items() if key.strip().lower() != "mark"}
    assert read_marks("json", json.dumps({**beside, "mark": mark}), ["mark"]) == [str(mark)]
