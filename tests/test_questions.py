"""The questions reward: DVReward and its relatives, from generations to scores (method.md 3, harness.md 2)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reward.questions import build
from reward.reward import Reward
from reward.verdict import Score
from reward.verifier import Query, Reply
from tasks.sample import Failure, Generation, Question, Request, Response, Sample
from tasks.task import RewardSpec

Answers = Mapping[str, float | None]
SCENE = (
    Question("s1", "Is there a star?", tag="Existence"),
    Question("s2", "Is the star red?", tag="Attribute", needs=("s1",)),
    Question("s3", "Is there exactly one object?", tag="Count"),
    Question("q1", "Is the background plain?", group="quality", tag="Coherence"),
)
YES = {"Is there a star?": 0.9, "Is the star red?": 0.6, "Is there exactly one object?": 0.9}
CLEAN: Answers = {**YES, "Is the background plain?": 0.8}


class TableVerifier:
    """Answers from a table of p(yes); a question whose entry is None times out."""

    def __init__(self, answers: Answers, name: str = "table") -> None:
        self.id, self.record, self.answers = name, {"name": name}, answers
        self.calls: list[list[Query]] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.calls.append(list(queries))
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        yes = self.answers[query.text]
        if yes is None:
            return Reply("timeout", error="no answer in 120 s")
        return Reply("ok", "yes" if yes >= 0.5 else "no", {"yes": yes, "no": 1.0 - yes})


class FlakyVerifier:
    """Loses a share of the replies of another verifier at random."""

    def __init__(self, inner: TableVerifier, share: float, seed: int) -> None:
        self.id, self.record, self.inner = f"flaky {inner.id}", inner.record, inner
        self.share, self.random = share, random.Random(seed)

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        lost = Reply("transport_error", error="503")
        return [lost if self.random.random() < self.share else reply for reply in self.inner.ask(queries)]


class ShortVerifier(TableVerifier):
    """Forgets the last reply."""

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return super().ask(queries)[:-1]


def generation(questions: Sequence[Question] = SCENE, seed: int = 0, error: Failure | None = None) -> Generation:
    sample = Sample("001", Request("a red star"), tuple(questions))
    image = Image.new("RGB", (4, 4), (seed % 256, 0, 0))
    return Generation(sample, seed, None if error else Response(image), error)


def reward(verifier: TableVerifier | FlakyVerifier, combine: str = "geometric", **options: Any) -> Reward:
    return build(RewardSpec(combine=combine, options=options), verifier)


def score(answers: Answers, combine: str = "geometric", **options: Any) -> Score:
    return reward(TableVerifier(answers), combine, **options).score([generation()])[0]


def test_a_scene_is_scored_by_hand() -> None:
    found = score(CLEAN)
    assert found.value == pytest.approx((0.8 * 0.8) ** 0.5)
    assert found.parts == {"semantic": pytest.approx(0.8), "quality": pytest.approx(0.8), "correct": 1.0}
    assert [one.question for one in found.verdicts] == ["s1", "s2", "s3", "q1"]


def test_all_questions_of_all_images_travel_in_one_call_with_the_image_first() -> None:
    verifier = TableVerifier(CLEAN)
    generations = [generation(seed=seed) for seed in range(3)]
    reward(verifier).score(generations)
    (queries,) = verifier.calls
    assert [query.text for query in queries] == [one.text for one in SCENE] * 3
    assert all(query.answers == ("yes", "no") and len(query.images) == 1 for query in queries)
    assert queries[4].images[0] is generations[1].response.image  # type: ignore[union-attr]


def test_a_template_words_the_question() -> None:
    verifier = TableVerifier({"Is there a star? Answer in one word, as {}.": 0.9})
    judged = reward(verifier, template="{question} Answer in one word, as {}.")
    assert judged.score([generation(SCENE[:1])])[0].value == 0.9
    assert judged.record["prompts_sha256"] != reward(verifier).record["prompts_sha256"]


def test_nothing_to_ask_asks_nothing() -> None:
    verifier = TableVerifier(CLEAN)
    failure = Failure("generation_error", "out of memory")
    found = reward(verifier).score([generation(error=failure)])
    assert verifier.calls == []
    assert (found[0].value, found[0].status, found[0].error) == (None, "generation_error", "out of memory")
    assert {one.status for one in found[0].verdicts} == {"skipped"}
    assert len(found[0].verdicts) == 4
    assert reward(verifier).score([]) == []


def test_scores_keep_the_order_of_generations() -> None:
    found = reward(TableVerifier(CLEAN)).score([generation(error=Failure("refused", "filter")), generation()])
    assert [one.value is None for one in found] == [True, False]


def test_an_unscored_image_carries_its_first_failure() -> None:
    found = score({**CLEAN, "Is there exactly one object?": None})
    assert (found.value, found.status, found.error) == (None, "timeout", "no answer in 120 s")
    assert found.parts == {"semantic": None, "quality": pytest.approx(0.8), "correct": None}
    assert score({**CLEAN, "Is there exactly one object?": None}, min_answered=0.6).value is not None


def test_T35_a_failed_parent_spares_its_children_the_question() -> None:
    verifier = TableVerifier({**CLEAN, "Is there a star?": 0.3})
    found = reward(verifier, gating="dsg").score([generation()])[0]
    assert [[query.text for query in queries] for queries in verifier.calls] == [
        ["Is there a star?", "Is there exactly one object?", "Is the background plain?"]
    ]
    child = found.verdicts[1]
    assert (child.value, child.status, child.reply) == (0.0, "ok", None)
    assert found.parts["semantic"] == pytest.approx(0.4)  # (.3 + 0 + .9) / 3


def test_T35_children_of_good_parents_are_asked_in_a_second_call() -> None:
    verifier = TableVerifier(CLEAN)
    assert reward(verifier, gating="dsg").score([generation()])[0].value == pytest.approx(0.8)
    assert [len(queries) for queries in verifier.calls] == [3, 1]


def test_T35_children_of_an_unanswered_parent_are_skipped() -> None:
    found = score({**CLEAN, "Is there a star?": None}, gating="dsg")
    assert [one.status for one in found.verdicts] == ["timeout", "skipped", "ok", "ok"]
    assert found.verdicts[1].error == "its parent 's1' is unanswered"
    assert (found.value, found.status) == (None, "timeout")


def test_an_image_names_the_failure_and_not_what_was_skipped_because_of_it() -> None:
    child_first = (SCENE[1], SCENE[0])
    verifier = TableVerifier({**CLEAN, "Is there a star?": None})
    (found,) = reward(verifier, gating="dsg").score([generation(child_first)])
    assert [one.status for one in found.verdicts] == ["skipped", "timeout"]
    assert (found.status, found.error) == ("timeout", "no answer in 120 s")


def test_a_gated_answer_keeps_the_reply_that_was_given() -> None:
    found = score({**CLEAN, "Is there a star?": 0.3}, gating="direct")
    child = found.verdicts[1]
    assert child.value == 0.0
    assert child.reply is not None
    assert child.reply.probabilities["yes"] == 0.6


def test_a_wrong_number_of_replies_names_the_verifier() -> None:
    with pytest.raises(ValueError, match="verifier 'table' gave 3 replies to 4 queries"):
        reward(ShortVerifier(CLEAN)).score([generation()])


def test_a_value_outside_the_declared_range_is_refused() -> None:
    rich = Question("s1", "Is there a star?", worth={"yes": 3.0})
    with pytest.raises(ValueError, match=r"'001' scores 2\.7.*outside the range 0 to 1"):
        reward(TableVerifier(CLEAN)).score([generation([rich])])


def test_a_sample_without_questions_is_refused() -> None:
    with pytest.raises(ValueError, match="'001' has no questions"):
        reward(TableVerifier(CLEAN)).score([generation([])])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (RewardSpec(reading="shares"), "no reading named 'shares'; did you mean 'share'"),
        (RewardSpec(combine="geometrical"), "no combine named 'geometrical'; did you mean 'geometric'"),
        (RewardSpec(options={"gating": "dgs"}), "no gating named 'dgs'; did you mean 'dsg'"),
        (RewardSpec(options={"min_answer": 1}), "named 'min_answer'; did you mean 'min_answered'"),
        (RewardSpec(options={"min_answered": 2}), "'min_answered' .* is a number from 0 to 1, not 2"),
        (RewardSpec(options={"min_answered": True}), "not True"),
        (RewardSpec(options={"binary": "yes"}), "'binary' .* is true or false, not 'yes'"),
        (RewardSpec(options={"gate_tags": "Count"}), "a list of tags, not 'Count'"),
        (RewardSpec(options={"weights": {"a": -1}}), "numbers of at least 0"),
        (RewardSpec(options={"template": "is it"}), "a text with {question} in it, not 'is it'"),
        (RewardSpec(options={"gating": None}), "is a name, not None"),
        (RewardSpec(combine="weighted"), "'weighted' needs the option 'weights'"),
        (RewardSpec(combine="gates"), "'gates' needs the option 'gate_tags'"),
    ],
)
def test_mistakes_say_what_would_do(spec: RewardSpec, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(spec, TableVerifier(CLEAN))


def identity(name: str = "table", reading: str = "share", combine: str = "geometric", **options: Any) -> str:
    return build(RewardSpec(reading=reading, combine=combine, options=options), TableVerifier(CLEAN, name)).id


def test_R5_everything_that_can_change_a_score_changes_the_id() -> None:
    ids = [
        identity(),
        identity("other"),
        identity(reading="mass"),
        identity(combine="mean"),
        identity(abstain_below=0.4),
        identity(binary=True),
        identity(gating="dsg"),
        identity(min_answered=1.0),
        identity(weights={"a": 1}),
        identity(gate_tags=["a"]),
        identity(template="{question} Answer in one word."),
    ]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 12 for one in ids)


def test_the_id_is_the_same_for_defaults_given_and_left_out() -> None:
    assert identity() == identity(min_answered=0.75, gating="off") == identity(abstain_below=0.5)
    assert identity(min_answered=1) == identity(min_answered=1.0)


def test_the_record_is_what_run_json_asks_for() -> None:
    found = reward(TableVerifier(CLEAN))
    assert set(found.record) == {"id", "kind", "reading", "combine", "options", "prompts_sha256"}
    assert (found.record["id"], found.range) == (found.id, (0.0, 1.0))


def coverage_and_values(loss: float, seed: int, **options: Any) -> tuple[float, list[float | None]]:
    flaky = FlakyVerifier(TableVerifier(CLEAN), loss, seed)
    scores = reward(flaky, **options).score([generation(seed=number) for number in range(400)])
    verdicts = [one for found in scores for one in found.verdicts]
    return sum(one.value is not None for one in verdicts) / len(verdicts), [found.value for found in scores]


def test_R1_a_verifier_that_loses_one_reply_in_five_lowers_coverage_and_nothing_else() -> None:
    coverage, values = coverage_and_values(0.2, seed=1)
    scored = [value for value in values if value is not None]
    assert coverage == pytest.approx(0.80, abs=0.03)
    assert 0 < len(scored) < 400
    assert all(value == pytest.approx(0.8) for value in scored)


def test_R1_the_mean_of_a_lossy_run_stays_near_the_clean_one() -> None:
    _, values = coverage_and_values(0.2, seed=2, min_answered=0.6)
    scored = [value for value in values if value is not None]
    assert sum(scored) / len(scored) == pytest.approx(0.8, abs=0.02)
    assert min(scored) > 0.6


@given(st.integers(0, 10**6), st.sampled_from(["off", "dsg", "direct", "cascade"]))
def test_R1_no_lost_reply_ever_becomes_a_zero(seed: int, gating: str) -> None:
    flaky = FlakyVerifier(TableVerifier(dict.fromkeys(CLEAN, 1.0)), 0.4, seed)
    (found,) = reward(flaky, gating=gating, min_answered=0.1).score([generation(seed=seed)])
    assert found.value in (None, 1.0)
    assert {one.value for one in found.verdicts} <= {None, 1.0}


def test_the_pixel_verifier_serves_the_embedded_task() -> None:
    from reward.verifier_pixels import Arguments
    from reward.verifier_pixels import build as build_verifier
    from tasks.scenes import Arguments as SceneArguments
    from tasks.scenes import load

    task = load(SceneArguments())
    judged = build(task.reward, build_verifier(Arguments()))
    blank = Response(Image.new("RGB", (32, 32), (255, 255, 255)))
    scores = judged.score([Generation(sample, 0, blank) for sample in task.samples[:12]])
    assert all(one.value is not None and one.value < 0.2 for one in scores)
    assert all(one.parts["correct"] == 0.0 for one in scores)
