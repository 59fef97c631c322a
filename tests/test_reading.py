"""Reading replies: method.md 3.3 and 8.4, harness.md 5.2, benchmarks.md 0."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reward.reading import READINGS, normalise, read
from reward.verdict import Verdict
from reward.verifier import Reply
from tasks.sample import Question, Status

ASKED = Question("q1", "Is the apple red?")
COUNTED = Question("q2", "How many apples are there?", worth={"three": 1.0, "3": 1.0})
FAILURES: tuple[Status, ...] = ("transport_error", "timeout", "parse_error", "refused")


def verdict(
    reading: str,
    probabilities: Mapping[str, float],
    question: Question = ASKED,
    text: str = "",
    binary: bool = False,
    tau: float = 0.5,
) -> Verdict:
    return read(READINGS[reading], Reply("ok", text, probabilities), question, tau, binary)


def test_worked_example_of_harness_5_2() -> None:
    probabilities = {"Yes": math.exp(-0.2231), " yes": math.exp(-3.9120), "No": math.exp(-1.9661)}
    assert verdict("mass", probabilities).value == pytest.approx(0.8201, abs=1e-4)
    assert verdict("mass", probabilities, Question("q", "?", {"no": 1.0})).value == pytest.approx(0.1400, abs=1e-4)
    assert verdict("share", probabilities).value == pytest.approx(0.8542, abs=1e-4)


def test_T35_share_of_method_8_4() -> None:
    found = verdict("share", {"Yes": 0.80, " yes": 0.05, "No": 0.10, "Maybe": 0.03, "yes": 0.01})
    assert found.value == pytest.approx(0.895833, abs=1e-6)


def test_T35_too_little_mass_abstains() -> None:
    found = verdict("share", {"Yes": 0.2, "No": 0.1})
    assert (found.value, found.status) == (None, "parse_error")
    assert "no yes/no mass" in found.error


def test_T34_yes_and_no_absent_from_the_candidates_have_no_value() -> None:
    assert verdict("share", {"Maybe": 0.9}, text="yes").value is None
    assert verdict("share", {}, text="yes").value is None
    assert verdict("share", {"Maybe": 0.9}, tau=0.0).value is None


def test_mass_of_exactly_tau_is_enough() -> None:
    assert verdict("share", {"yes": 0.25, "no": 0.25}).value == 0.5
    assert verdict("share", {"yes": 0.2, "no": 0.1}, tau=0.25).value == pytest.approx(2 / 3)


def test_no_may_be_the_good_answer() -> None:
    assert verdict("share", {"yes": 0.2, "no": 0.6}, Question("q", "?", {"no": 1.0})).value == pytest.approx(0.75)


def test_share_generalises_to_several_worths() -> None:
    graded = Question("q", "?", {"fully": 1.0, "partly": 0.5, "not": 0.0})
    # (.4 * 1 + .2 * .5 + .2 * 0) / .8
    assert verdict("share", {"Fully": 0.4, "partly": 0.2, "not": 0.2}, graded).value == pytest.approx(0.625)


def test_a_share_without_an_alternative_is_a_mistake_of_the_task() -> None:
    with pytest.raises(ValueError, match="'q2' accepts only 'three'"):
        verdict("share", {"three": 0.9}, Question("q2", "?", {"three": 1.0}))


def test_mass_adds_accepted_answers_and_does_not_renormalise() -> None:
    assert verdict("mass", {"three": 0.3, " Three": 0.1, "3": 0.2, "two": 0.1}, COUNTED).value == pytest.approx(0.6)
    assert verdict("mass", {"two": 0.7}, COUNTED).value == 0.0  # said, and not three


def test_mass_without_probabilities_has_no_value() -> None:
    assert verdict("mass", {}, COUNTED, text="three").status == "parse_error"


@pytest.mark.parametrize("text", ["yes", " Yes.", "YES!", "yes,", "\nyes?"])
def test_exact_folds_case_white_space_and_punctuation(text: str) -> None:
    assert verdict("exact", {}, text=text).value == 1.0


def test_exact_knows_no_and_refuses_anything_else() -> None:
    assert verdict("exact", {}, text="No.").value == 0.0
    for text in ("yes it is", "maybe", "", "1", "answer: yes"):
        assert verdict("exact", {}, text=text).status == "parse_error"
    assert verdict("exact", {}, COUNTED, text="Three.").value == 1.0
    assert verdict("exact", {}, COUNTED, text="two").value is None  # worth lists no other answer


def test_binary_hardens_from_one_half_on() -> None:
    assert verdict("share", {"yes": 0.5, "no": 0.5}, binary=True).value == 1.0
    assert verdict("share", {"yes": 0.49, "no": 0.51}, binary=True).value == 0.0
    assert verdict("share", {"yes": 0.2}, binary=True).value is None


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("status", FAILURES)
def test_a_failed_reply_keeps_its_status_whatever_it_says(reading: str, status: Status) -> None:
    reply = Reply(status, "yes", {"yes": 1.0}, error="why")
    found = read(READINGS[reading], reply, ASKED, 0.5, binary=True)
    assert (found.value, found.status, found.error, found.reply) == (None, status, "why", reply)


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.5, math.inf])
def test_impossible_probabilities_have_no_value(bad: float) -> None:
    assert verdict("share", {"yes": bad, "no": 0.1}).status == "parse_error"
    assert verdict("mass", {"yes": 0.7, "Yes": 0.7}).status == "parse_error"


def test_rounding_above_one_is_not_impossible() -> None:
    assert verdict("mass", {"yes": 0.6, "Yes": 0.403}).value == 1.0


def test_tokens_are_folded_as_method_3_3_says() -> None:
    assert [normalise(token) for token in (" Yes", "yes.", "NO!", "\tno ?")] == ["yes", "yes", "no", "no"]


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_T35_share_is_in_range_and_rises_with_yes(yes: float, no: float, more: float) -> None:
    before, after = (verdict("share", {"yes": one, "no": no}).value for one in (yes, min(yes + more, 0.5)))
    assert before is None or 0.0 <= before <= 1.0
    assert before is None or after is None or after >= before - 1e-12
    assert (before is None) == (yes + no < 0.5)
