"""The rubric reward: calls of a judge, marks, and the scores made of them."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from reward.reward import Reward
from reward.rubric import build
from reward.verifier import Reply
from tasks.sample import Failure, Generation, Question, Request, Response, Sample
from tasks.scale import whole_marks
from tasks.task import RewardSpec
from tests.judge import ScriptedJudge

SOURCE, EDITED, TRUTH = (Image.new("RGB", size, "red") for size in ((8, 6), (16, 12), (5, 5)))
VIE = (
    Question("s1", "success", whole_marks(0, 10), "semantic"),
    Question("s2", "over-editing", whole_marks(0, 10), "semantic"),
    Question("q1", "naturalness", whole_marks(0, 10), "quality"),
    Question("q2", "artifacts", whole_marks(0, 10), "quality"),
)
CALLS: dict[str, Any] = {
    "semantic": {"text": "Rate: {prompt}", "images": ["source", "image"], "form": "json list", "text_first": True},
    "quality": {"text": "Rate quality", "form": "json list", "match_source": True},
}


def generation(questions: tuple[Question, ...] = VIE, error: Failure | None = None, **reference: Any) -> Generation:
    sample = Sample("a", Request("make it {questions} blue", (SOURCE,)), questions, (), reference, (TRUTH,))
    return Generation(sample, 1, None if error else Response(EDITED), error)


def reward(judge: ScriptedJudge, combine: str = "root_product", calls: Any = None, **options: Any) -> Reward:
    spec = RewardSpec("rubric", "marks", combine, "http", {"calls": calls or CALLS, **options})
    return build(spec, judge)


def test_an_edit_is_scored_by_hand() -> None:
    judge = ScriptedJudge({"Rate:": '{"score": [8, 5]}', "quality": "[9, 4]"})
    found = reward(judge).score([generation()])[0]
    assert found.value == pytest.approx((0.5 * 0.4) ** 0.5)
    assert [(one.question, one.value, one.answer) for one in found.verdicts] == [
        ("s1", 0.8, "8"),
        ("s2", 0.5, "5"),
        ("q1", 0.9, "9"),
        ("q2", 0.4, "4"),
    ]
    assert found.parts == {"semantic": 0.5, "quality": 0.4, "correct": 1.0}


def test_a_judge_sees_the_images_a_call_names_and_the_prompt_as_it_is() -> None:
    judge = ScriptedJudge({"Rate": "[1, 1]"})
    reward(judge).score([generation()])
    quality, semantic = judge.queries
    assert [one.size for one in semantic.images] == [(8, 6), (16, 12)]
    assert [one.size for one in quality.images] == [(8, 6)]
    assert semantic.text == "Rate: make it {questions} blue"
    assert (semantic.answers, semantic.text_first, semantic.max_tokens) == ((), True, 1000)


def test_an_unreadable_reply_is_asked_again_twice_and_then_has_no_value() -> None:
    judge = ScriptedJudge({"Rate:": ["8 of 10", "none", '{"score": [8, 5]}'], "quality": "beautiful"})
    found = reward(judge).score([generation()])[0]
    assert [query.attempt for query in judge.queries if "Rate:" in query.text] == [0, 1, 2]
    assert (found.value, found.status) == (None, "parse_error")
    assert [one.status for one in found.verdicts] == ["ok", "ok", "parse_error", "parse_error"]
    assert found.verdicts[2].answer == "beautiful"
    replies = [one.reply for one in found.verdicts]
    assert replies[0] is not None
    assert (replies[0].tries, replies[0].tokens_out) == (3, 9)
    assert len({reply.key for reply in replies if reply}) == 2


def test_a_refusal_is_not_asked_again_and_leaves_the_other_marks() -> None:
    judge = ScriptedJudge({"Rate:": Reply("refused", error="content filter"), "quality": "[9, 4]"})
    found = reward(judge).score([generation()])[0]
    assert len(judge.queries) == 2
    assert (found.value, found.status, found.error) == (None, "refused", "content filter")
    assert found.parts["quality"] == pytest.approx(0.4)


def test_a_missing_image_asks_nothing() -> None:
    judge = ScriptedJudge({})
    found = reward(judge).score([generation(error=Failure("generation_error", "broke")), generation()])
    assert [one.status for one in found] == ["generation_error", "transport_error"]
    assert {one.status for one in found[0].verdicts} == {"skipped"}


def test_a_call_goes_on_from_an_earlier_turn_asked_once_an_image() -> None:
    calls: dict[str, Any] = {
        "look": {"text": "Describe the picture.", "form": ""},
        "semantic": {"text": "Now:\n{questions}", "form": "json list", "after": "look"},
        "quality": {"text": "Quality of {count}", "form": "json list", "after": "look"},
    }
    judge = ScriptedJudge({"Describe": "A red picture.", "Now": "[1, 1]", "Quality": "[2, 2]"})
    reward(judge, calls=calls).score([generation(), generation()])
    assert [query.text for query in judge.queries].count("Describe the picture.") == 2
    last = [query for query in judge.queries if query.text.startswith("Now")]
    assert last[0].earlier == (("Describe the picture.", "A red picture."),)
    assert last[0].text == "Now:\n1. success\n2. over-editing"


def test_a_failed_earlier_turn_leaves_its_marks_without_value() -> None:
    calls: dict[str, Any] = {
        "look": {"text": "Describe.", "form": ""},
        "semantic": {"text": "Now", "form": "json list", "after": "look"},
    }
    judge = ScriptedJudge({"Describe": Reply("timeout", error="120 s"), "Now": "[1, 1]"})
    found = reward(judge, calls=calls).score([generation(VIE[:2])])[0]
    assert (found.value, found.status, len(judge.queries)) == (None, "timeout", 1)


def test_a_sample_may_be_asked_in_another_call_and_shown_its_reference() -> None:
    calls = {**CALLS, "with truth": {**CALLS["semantic"], "text": "Compare", "images": ["reference", "image"]}}
    judge = ScriptedJudge({"Compare": "[10, 10]", "quality": "[10, 10]"})
    found = reward(judge, calls=calls).score([generation(calls={"semantic": "with truth"})])[0]
    assert found.value == 1.0
    assert [one.size for one in judge.queries[1].images] == [(5, 5), (16, 12)]


def test_images_are_made_smaller_where_a_call_says_so() -> None:
    judge = ScriptedJudge({"Rate": "[1, 1]"})
    reward(judge, calls={"semantic": {**CALLS["semantic"], "max_side": 8}}).score([generation(VIE[:2])])
    assert [one.size for one in judge.queries[0].images] == [(8, 6), (8, 6)]


def test_the_wording_is_part_of_the_identity() -> None:
    judge = ScriptedJudge({})
    other = {**CALLS, "quality": {**CALLS["quality"], "text": "Rate the quality"}}
    assert reward(judge).id == reward(ScriptedJudge({})).id
    assert reward(judge).id != reward(judge, calls=other).id
    assert reward(judge).record["prompts_sha256"] != reward(judge, calls=other).record["prompts_sha256"]


def test_the_prompts_of_the_package_are_found() -> None:
    calls = {"semantic": {"template": "geneval_plus.txt", "form": "json"}}
    judge = ScriptedJudge({"- two dogs": '{"reason": "", "correct": 1}'})
    question = Question("correct", "correct", {"0": 0.0, "1": 1.0})
    found = reward(judge, "mean", calls).score([generation((question,), checklist="- two dogs")])[0]
    assert found.value == 1.0


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ({"a": {"text": "x", "forms": "json"}}, "no option of the call 'a' named 'forms'; did you mean 'form'"),
        ({"a": {"text": "x", "form": "jsn"}}, "no form of marks named 'jsn'"),
        ({"a": {"text": "x", "images": ["edited"]}}, "no picture of the call 'a' named 'edited'"),
        ({"a": {}}, "has either a template or a text"),
        (
            {"a": {"template": "geneval_plu.txt"}},
            "no template named 'geneval_plu.txt'; did you mean 'geneval_plus.txt'",
        ),
        ({"a": {"text": "x", "after": "b"}}, "comes after 'b', which is no call without a form"),
    ],
)
def test_a_faulty_call_is_named(calls: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        reward(ScriptedJudge({}), calls=calls)


def test_a_fact_that_a_wording_needs_and_a_sample_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="sample 'a' has no 'explanation'"):
        reward(ScriptedJudge({}), calls={"semantic": {"text": "{explanation}"}}).score([generation(VIE[:2])])


def test_a_group_without_a_call_is_named() -> None:
    with pytest.raises(ValueError, match="no call for sample 'a' named 'quality'"):
        reward(ScriptedJudge({}), calls={"semantic": CALLS["semantic"]}).score([generation()])
