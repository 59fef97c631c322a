"""Combinations and gates: method.md 3.4 and 8.4 (T35), benchmarks.md 0, 3, 4, 5, 9 and 13."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward.combine import COMBINES, combine_verdicts
from reward.gating import GATINGS
from reward.options import Options
from reward.verdict import Verdict
from tasks.sample import Question

TAGS = ("Count", "Spatial", "Geometry")
Values = Sequence[float | None]
OPTIONS = Options(
    weights={"semantic": 0.7, "quality": 0.3, "Count": 2.0, "Spatial": 1.0, "Geometry": 0.5}, gate_tags=("Count",)
)


def question(number: int, group: str = "semantic", tag: str = "", needs: tuple[str, ...] = ()) -> Question:
    return Question(f"q{number}", f"Question {number}?", group=group, tag=tag, needs=needs)


def answer(name: str, value: float | None) -> Verdict:
    return Verdict(name, value) if value is not None else Verdict(name, None, status="timeout", error="late")


def two_groups(semantic: Values, quality: Values) -> tuple[list[Question], list[Verdict]]:
    groups = ["semantic"] * len(semantic) + ["quality"] * len(quality)
    questions = [question(number, group) for number, group in enumerate(groups)]
    values = [*semantic, *quality]
    return questions, [answer(one.id, value) for one, value in zip(questions, values, strict=True)]


def value_of(name: str, semantic: Values, quality: Values = (), options: Options = OPTIONS) -> float | None:
    return combine_verdicts(name, *two_groups(semantic, quality), options)[0]


def tagged(name: str, tags: Sequence[str], values: Values, options: Options = OPTIONS) -> float | None:
    questions = [question(number, "semantic", tag) for number, tag in enumerate(tags)]
    verdicts = [answer(one.id, value) for one, value in zip(questions, values, strict=True)]
    return combine_verdicts(name, questions, verdicts, options)[0]


def test_T35_aggregation_of_method_8_4() -> None:
    assert value_of("geometric", (0.9, 0.2, 1.0), (0.8, 0.6)) == pytest.approx(0.7)
    assert value_of("geometric", (0.9, 0.4, 1.0), (0.8, 0.6)) == pytest.approx(0.732575, abs=1e-6)
    assert value_of("mean", (0.9, 0.4, 1.0), (0.8, 0.6)) == pytest.approx(0.733333, abs=1e-6)
    assert value_of("pooled", (0.9, 0.4, 1.0), (0.8, 0.6)) == pytest.approx(0.74)


def test_T35_missing_answers_of_method_8_4() -> None:
    assert value_of("geometric", (0.9, None, 0.6, 0.6)) == pytest.approx(0.7)
    assert value_of("geometric", (0.9, None, None, 0.6)) is None
    assert value_of("geometric", (0.9, None, 0.6, 0.6), options=Options(min_answered=1.0)) is None


def test_T35_a_class_without_questions_drops_out() -> None:
    assert value_of("geometric", (0.5, 0.3)) == 0.4
    assert value_of("mean", (), (0.5, 0.3)) == 0.4
    assert value_of("by_group", (), (0.5, 0.3)) == 0.4


def test_a_class_with_questions_and_no_answers_does_not_drop_out() -> None:
    for name in ("geometric", "mean", "binary", "gates", "by_group", "root_product"):
        assert value_of(name, (0.9,), (None,), Options(min_answered=0.0, weights=OPTIONS.weights)) is None


def test_hand_worked_rows() -> None:
    semantic, quality = (0.9, 0.4, 1.0), (0.8, 0.6)
    assert value_of("binary", semantic, quality) == pytest.approx(math.sqrt(2 / 3 * 1.0))
    assert value_of("min", semantic, quality) == 0.4
    assert value_of("all", semantic, quality) == 0.0
    assert value_of("all", (0.9, 0.5), quality) == 1.0
    assert value_of("by_group", semantic, quality) == pytest.approx(0.7 * 2.3 / 3 + 0.3 * 0.7)
    assert value_of("root_product", semantic, quality) == pytest.approx(math.sqrt(0.4 * 0.6))
    assert value_of("pooled_geometric", (0.5, 0.25, 1.0)) == pytest.approx(0.125 ** (1 / 3))
    assert value_of("pooled_geometric", (0.5, 0.0, 1.0)) == 0.0


def test_hand_worked_rows_over_tags() -> None:
    tags, values = ("Count", "Count", "Spatial"), (0.9, 0.5, 0.2)
    assert tagged("category_mean", tags, values) == pytest.approx(0.45)  # (.7 + .2) / 2
    assert tagged("category_worst", tags, values) == pytest.approx(0.325)  # .5 * .45 + .5 * .2
    assert tagged("weighted", tags, values) == pytest.approx(0.6)  # (1.8 + 1.0 + .2) / 5


def test_gates_are_hard() -> None:
    tags = ("Count", "Spatial")
    assert tagged("gates", tags, (0.5, 0.9)) == pytest.approx(0.7)
    assert tagged("gates", tags, (0.49, 0.9)) == 0.0
    assert tagged("gates", tags, (None, 0.9), Options(min_answered=0.5, gate_tags=("Count",))) is None
    assert tagged("gates", ("Spatial",), (0.3,)) == pytest.approx(0.3)  # no question is a gate


def test_all_clauses_hold_only_when_all_are_answered() -> None:
    for values in ((1.0, 1.0, 1.0, None), (0.0, 1.0, 1.0, None)):  # the second too: else only failures would count
        assert value_of("all", values) is None


def test_a_weight_of_nothing_takes_a_question_out() -> None:
    options = Options(weights={"semantic": 1.0, "quality": 0.0})
    assert value_of("by_group", (0.9,), (None,), options) == 0.9
    with pytest.raises(ValueError, match="weight above 0 among: q0"):
        value_of("by_group", (), (0.9,), options)
    with pytest.raises(ValueError, match="'quality' is not among the weights"):
        value_of("by_group", (0.9,), (0.9,), Options(weights={"semantic": 1.0}))


def test_many_small_factors_do_not_vanish() -> None:
    assert value_of("pooled_geometric", (1e-12,) * 52) == pytest.approx(1e-12)


def test_parts_name_the_groups_and_whether_the_image_is_correct() -> None:
    def parts(semantic: Values, quality: Values = (0.8, 0.6)) -> dict[str, float | None]:
        return combine_verdicts("geometric", *two_groups(semantic, quality), Options())[1]

    assert parts((0.9, 0.5)) == {"quality": pytest.approx(0.7), "semantic": pytest.approx(0.7), "correct": 1.0}
    assert parts((0.9, 0.4, None))["correct"] == 0.0
    assert parts((0.9, None)) == {"quality": pytest.approx(0.7), "semantic": None, "correct": None}
    assert "semantic" not in parts(())
    assert parts(())["correct"] is None


# Gates. In the first rows a is the parent of b, and b of c.

CHAIN = [question(1), question(2, needs=("q1",)), question(3, needs=("q2",))]


def gated(gating: str, questions: Sequence[Question], values: Values) -> list[float | None]:
    verdicts = [answer(one.id, value) for one, value in zip(questions, values, strict=True)]
    return [one.value for one in GATINGS[gating](questions, verdicts)]


def test_T35_gating_of_method_8_4() -> None:
    questions = [question(1), question(2, needs=("q1",)), question(3)]
    assert gated("dsg", questions, (0.3, 0.9, 0.8)) == [0.3, 0.0, 0.8]
    verdicts = [answer(one.id, value) for one, value in zip(questions, (0.3, 0.9, 0.8), strict=True)]
    mean = combine_verdicts("mean", questions, GATINGS["dsg"](questions, verdicts), Options())[0]
    assert mean == pytest.approx(0.366667, abs=1e-6)
    assert combine_verdicts("mean", questions, verdicts, Options())[0] == pytest.approx(0.666667, abs=1e-6)


@pytest.mark.parametrize(
    ("gating", "expected"),
    [
        ("off", [0.0, 1.0, 1.0]),
        ("dsg", [0.0, 0.0, 0.0]),  # the grandparent counts
        ("direct", [0.0, 0.0, 1.0]),  # the parent's own answer was yes
        ("cascade", [0.0, 0.0, 0.0]),  # the parent is 0 by then
    ],
)
def test_gates_differ_on_a_chain(gating: str, expected: list[float]) -> None:
    assert gated(gating, CHAIN, (0.0, 1.0, 1.0)) == expected


def test_cascade_walks_in_file_order() -> None:
    backwards = [CHAIN[2], CHAIN[1], CHAIN[0]]
    assert gated("cascade", backwards, (1.0, 1.0, 0.0)) == [1.0, 0.0, 0.0]  # q2 was still 1 when q3 looked
    assert gated("dsg", backwards, (1.0, 1.0, 0.0)) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("gating", "expected"),
    [
        ("dsg", [None, None, None]),
        ("direct", [None, None, 1.0]),
        ("cascade", [None, None, None]),
    ],
)
def test_children_of_unanswered_parents_are_unanswered(gating: str, expected: list[float | None]) -> None:
    assert gated(gating, CHAIN, (None, 1.0, 1.0)) == expected


def test_a_parent_that_failed_decides_whatever_else_is_missing() -> None:
    child = question(3, needs=("q1", "q2"))
    assert gated("dsg", [question(1), question(2), child], (0.1, None, None)) == [0.1, None, 0.0]


def test_an_unanswered_question_keeps_its_own_failure() -> None:
    verdicts = GATINGS["dsg"](CHAIN, [answer("q1", None), answer("q2", None), answer("q3", 1.0)])
    assert [one.status for one in verdicts] == ["timeout", "timeout", "skipped"]
    assert verdicts[2].error == "its parent 'q2' is unanswered"


def test_parents_that_do_not_exist_and_the_question_itself_change_nothing() -> None:
    lonely = [question(1, needs=("q1", "q9")), question(2, needs=("q2",))]
    for gating in GATINGS:
        assert gated(gating, lonely, (0.2, 0.9)) == [0.2, 0.9]


def test_cycles_end() -> None:
    pair = [question(1, needs=("q2",)), question(2, needs=("q1",))]
    assert gated("dsg", pair, (0.9, 0.2)) == [0.0, 0.2]


# Properties.

probability = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.0, 1.0))


@st.composite
def images(draw: st.DrawFn) -> tuple[list[Question], list[float]]:
    size = draw(st.integers(1, 6))
    questions = []
    for number in range(size):
        needs = draw(st.lists(st.integers(0, number - 1), max_size=2)) if number else []
        group, tag = draw(st.sampled_from(("semantic", "quality"))), draw(st.sampled_from(TAGS))
        questions.append(question(number, group, tag, tuple(f"q{one}" for one in needs)))
    return questions, draw(st.lists(probability, min_size=size, max_size=size))


def scored(
    name: str, gating: str, questions: Sequence[Question], values: Values, options: Options = OPTIONS
) -> float | None:
    verdicts = [answer(one.id, value) for one, value in zip(questions, values, strict=True)]
    return combine_verdicts(name, questions, GATINGS[gating](questions, verdicts), options)[0]


@given(images(), st.sampled_from(sorted(COMBINES)), st.sampled_from(sorted(GATINGS)), st.data())
def test_T35_scores_are_in_range_and_monotone(
    image: tuple[list[Question], list[float]], name: str, gating: str, data: st.DataObject
) -> None:
    questions, values = image
    place = data.draw(st.integers(0, len(values) - 1))
    raised = [*values[:place], data.draw(st.floats(values[place], 1.0)), *values[place + 1 :]]
    before, after = scored(name, gating, questions, values), scored(name, gating, questions, raised)
    assert before is not None
    assert after is not None
    assert 0.0 <= before <= 1.0
    assert after >= before - 1e-12


@given(images(), st.sampled_from(sorted(COMBINES)), st.sampled_from(["off", "dsg", "direct"]), st.randoms())
def test_the_order_of_questions_changes_nothing(
    image: tuple[list[Question], list[float]], name: str, gating: str, random: object
) -> None:
    questions, values = image
    mixed = list(zip(questions, values, strict=True))
    random.shuffle(mixed)  # type: ignore[attr-defined]
    again = scored(name, gating, [one for one, _ in mixed], [value for _, value in mixed])
    assert scored(name, gating, questions, values) == pytest.approx(again, abs=1e-12)


@given(images(), st.sampled_from(sorted(COMBINES)), st.sets(st.integers(0, 5)), st.floats(0.0, 1.0))
def test_T35_an_unanswered_question_is_left_out_or_leaves_the_image_unscored(
    image: tuple[list[Question], list[float]], name: str, lost: set[int], min_answered: float
) -> None:
    questions, values = image
    options = Options(min_answered=min_answered, weights=OPTIONS.weights, gate_tags=OPTIONS.gate_tags)
    holed = [None if place in lost else value for place, value in enumerate(values)]
    found = scored(name, "off", questions, holed, options)
    kept = [place for place in range(len(values)) if place not in lost]
    if found is not None:
        left = scored(name, "off", [questions[one] for one in kept], [values[one] for one in kept], options)
        assert found == pytest.approx(left, abs=1e-12)


@given(images(), st.sampled_from(sorted(COMBINES)), st.sampled_from(sorted(GATINGS)), st.sets(st.integers(0, 5)))
def test_T35_a_zero_appears_only_where_an_answer_was_no(
    image: tuple[list[Question], list[float]], name: str, gating: str, lost: set[int]
) -> None:
    questions, _ = image
    all_yes = [None if place in lost else 1.0 for place in range(len(questions))]
    assert scored(name, gating, questions, all_yes, Options(0.5, False, gating, 0.01, OPTIONS.weights)) in (None, 1.0)
