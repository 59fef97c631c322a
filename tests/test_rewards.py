"""vqascore, readback and weighted: rewards of one question, of a likelihood, and of other rewards."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task, rewarded
from harness.main import run
from harness.verifier_tiny import Arguments as TinyArguments
from harness.verifier_tiny import build as build_tiny
from reward.asking import asked
from reward.readback import PROMPT
from reward.reward import REWARDS, Reward
from reward.verifier import Query, Reply, Verifier
from tasks.registry import find_module
from tasks.sample import Failure, Generation, Question, Request, Response, Sample
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load as load_scenes
from tasks.task import RewardSpec, Task

QUESTIONS = (
    Question("s1", "Is there a sign?"),
    Question("q1", "Is it well drawn?", group="quality"),
    Question("t1", "OPEN", group="lettering"),
)


class Oracle:
    """Knows p(yes) of each question, reads OPEN off every sign, and finds every prompt e^-2 likely a token."""

    id = "oracle"

    def __init__(self, yes: Mapping[str, float | None], likelihood: float | None = -2.0, capable: bool = True) -> None:
        self.yes, self.likelihood = yes, likelihood
        self.record: Mapping[str, Any] = {"name": "oracle", "likelihood": capable}
        self.queries: list[Query] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.queries += queries
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        if query.continuation:
            return Reply("ok", log_likelihood=self.likelihood)
        if not query.answers:
            return Reply("ok", "OPEM")
        yes = self.yes[query.text]
        return Reply("timeout", error="slow") if yes is None else Reply("ok", "", {"Yes": yes, "no": 1.0 - yes})


def task(spec: RewardSpec, questions: tuple[Question, ...] = QUESTIONS) -> Task:
    return asked(Task("signs", "1", "", (Sample("a", Request("a sign"), questions),), spec))


def judge(spec: RewardSpec, verifier: Any, questions: tuple[Question, ...] = QUESTIONS) -> tuple[Reward, Any]:
    made = task(spec, questions)
    reward = build_reward(made, verifier)
    (score,) = reward.score([Generation(made.samples[0], 7, Response(Image.new("RGB", (8, 8))))])
    return reward, score


def test_vqascore_is_the_share_of_yes_to_one_question_about_the_prompt() -> None:
    oracle = Oracle({'Does this figure show "a sign"?': 0.7})
    _, score = judge(RewardSpec("vqascore", "share", "pooled"), oracle)
    assert score.value == pytest.approx(0.7)
    assert [verdict.question for verdict in score.verdicts] == ["vqascore"]
    worded = RewardSpec("vqascore", "share", "pooled", options={"wording": "Is it {prompt}?"})
    assert judge(worded, Oracle({"Is it a sign?": 0.2}))[1].value == pytest.approx(0.2)
    with pytest.raises(ValueError, match="is a text with"):
        judge(RewardSpec("vqascore", "share", "pooled", options={"wording": "Is it?"}), oracle)


def test_readback_is_the_likelihood_of_the_prompt_and_its_failure_is_not_the_best_score() -> None:
    oracle = Oracle({})
    reward, score = judge(RewardSpec("readback", "log", "pooled"), oracle)
    assert (score.value, reward.range) == (-2.0, (-100.0, 0.0))
    assert [(query.text, query.continuation, query.answers) for query in oracle.queries] == [(PROMPT, "a sign", ())]
    assert judge(RewardSpec("readback", "probability", "pooled"), oracle)[1].value == pytest.approx(math.exp(-2.0))
    for wrong in (None, 0.5, -math.inf, math.nan, -101.0):
        _, score = judge(RewardSpec("readback", "log", "pooled"), Oracle({}, wrong))
        assert (score.value, score.status) == (None, "parse_error")
    made = task(RewardSpec("readback", "log", "pooled"))
    failed = Generation(made.samples[0], 7, None, Failure("generation_error", "boom"))
    (score,) = build_reward(made, oracle).score([failed])
    assert (score.value, score.status, score.error) == (None, "generation_error", "boom")


def test_readback_needs_a_verifier_that_gives_likelihoods() -> None:
    with pytest.raises(ValueError, match="the verifier 'oracle' does not give; those that do: local, tiny"):
        judge(RewardSpec("readback", "log", "pooled"), Oracle({}, capable=False))
    with pytest.raises(ValueError, match="no reading of readback named 'logs'; did you mean 'log'"):
        judge(RewardSpec("readback", "logs", "pooled"), Oracle({}))
    with pytest.raises(ValueError, match="no option of readback named 'asks'"):
        judge(RewardSpec("readback", "log", "pooled", options={"asks": 1}), Oracle({}))


PARTS: dict[str, Any] = {
    "shown": {"weight": 0.5, "combine": "mean"},
    "spelled": {"weight": 0.25, "kind": "lettering", "groups": ["lettering"]},
    "whole": {"weight": 0.25, "kind": "vqascore"},
    "read": {"weight": 0.1, "kind": "readback"},
}
YES: dict[str, float | None] = {
    "Is there a sign?": 0.9,
    "Is it well drawn?": 0.5,
    'Does this figure show "a sign"?': 0.6,
}


def weighted(**parts: Any) -> RewardSpec:
    return RewardSpec("weighted", "sum", "sum", options={"parts": parts})


def test_a_weighted_reward_adds_its_parts() -> None:
    """.5 x mean(.9, .5) + .25 x (1 - 1/4, for OPEM against OPEN) + .25 x .6 + .1 x -2."""
    reward, score = judge(weighted(**PARTS), Oracle(YES))
    assert score.value == pytest.approx(0.5 * 0.7 + 0.25 * 0.75 + 0.25 * 0.6 - 0.2)
    assert score.parts == {"shown": pytest.approx(0.7), "spelled": 0.75, "whole": pytest.approx(0.6), "read": -2.0}
    assert [verdict.question for verdict in score.verdicts] == ["s1", "q1", "t1", "vqascore", "readback"]
    assert reward.range == (pytest.approx(-10.0), pytest.approx(1.0))
    other = {**PARTS, "whole": {**PARTS["whole"], "weight": 0.3}}
    assert judge(weighted(**other), Oracle(YES))[0].id != reward.id


def test_a_weight_below_zero_turns_the_range_round() -> None:
    reward, score = judge(weighted(shown={"weight": 1, "combine": "mean"}, whole={"weight": -0.5, "kind": "vqascore"}),
                          Oracle(YES), QUESTIONS[:2])  # fmt: skip
    assert score.value == pytest.approx(0.7 - 0.3)
    assert reward.range == (-0.5, 1.0)


def test_a_part_that_is_missing_is_neither_zero_nor_left_out() -> None:
    _, score = judge(weighted(**PARTS), Oracle({**YES, 'Does this figure show "a sign"?': None}))
    assert (score.value, score.status, score.error) == (None, "timeout", "slow")
    assert score.parts["shown"] == pytest.approx(0.7)
    assert score.parts["whole"] is None
    made = task(weighted(**PARTS))
    failed = Generation(made.samples[0], 7, None, Failure("refused", "no"))
    (score,) = build_reward(made, Oracle(YES)).score([failed])
    assert (score.value, score.status, score.error) == (None, "refused", "no")


def test_a_part_may_have_a_verifier_of_its_own() -> None:
    parts = {"shown": {"weight": 0.5}, "scene": {"weight": 0.5, "groups": ["quality"], "verifier": "pixels"}}
    questions = (QUESTIONS[0], Question("q1", "Is the background plain?", group="quality"))
    oracle = Oracle(YES)
    _, score = judge(weighted(**parts), oracle, questions)
    assert [query.text for query in oracle.queries] == ["Is there a sign?"]
    assert score.value is not None
    assert "pixels@" in score.verdicts[1].reply.served


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "a mapping from names to rewards"),
        ({"a": 3}, "the part 'a' is a mapping with a weight, not 3"),
        ({"a": {}}, "the part 'a' needs a weight, a number other than 0, not None"),
        ({"a": {"weight": math.nan}}, "needs a weight"),
        ({"a": {"weight": 1, "kinds": "x"}}, "no key of the part 'a' named 'kinds'; did you mean 'kind'"),
        ({"a": {"weight": 1, "kind": "letering"}}, "no reward named 'letering'; did you mean 'lettering'"),
        ({"a": {"weight": 1, "kind": "weighted"}}, "is a sum itself"),
        ({"a": {"weight": 1}, "b": {"weight": 1}}, "the parts 'a' and 'b' both ask what is left"),
        ({"a": {"weight": 1, "groups": ["semantic"]}}, "'q1' of the group 'quality' belongs to no part"),
        ({"a": {"weight": 1}, "b": {"weight": 1, "groups": ["none"]}}, "no question for the part 'b'"),
    ],
)
def test_what_cannot_be_added_is_named(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        judge(weighted(**parts), Oracle(YES))


def test_every_kind_says_how_it_is_built_when_nothing_more_is_said() -> None:
    oracle: Verifier = Oracle({})
    for kind in REWARDS:
        module = find_module("reward", kind, REWARDS)
        assert module.SPEC.kind == kind
        if kind not in ("weighted", "rubric"):  # which need to be told what of
            assert module.build(module.SPEC, oracle).record["kind"] in (kind, "questions")


def test_the_embedded_model_reads_prompts_back(tmp_path: Path) -> None:
    """The likelihood of a text is the product of its words', each after those before it."""
    verifier = build_tiny(TinyArguments())
    sample = load_scenes(ScenesArguments()).samples[0]
    picture = Image.new("RGB", (64, 64), "white")
    words = sample.request.prompt.split()
    whole, first = verifier.ask([Query((picture,), "?", (), continuation=text) for text in (" ".join(words), words[0])])
    beside = verifier.ask([Query((picture,), "?", (words[0],))])[0]
    assert first.log_likelihood == pytest.approx(math.log(beside.probabilities[words[0]]), abs=1e-4)
    assert whole.log_likelihood is not None
    assert -100 < whole.log_likelihood < 0


def test_any_task_can_be_run_with_another_reward(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["eval", "--model", "tests.painter", "--verifier", "tiny", "--limit", "2", "--num-images", "1", "--json",
            "-v", "quiet"]  # fmt: skip
    assert run([*told, "--reward", "readback", "-o", str(tmp_path / "a")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["coverage"]["questions"] == {"planned": 2, "ok": 2, "fraction": 1.0}
    assert -100 < found["metrics"][0]["value"] < 0
    assert run([*told, "--reward", "vqascore", "-o", str(tmp_path / "b")]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["metrics"][0]["value"] <= 1
    parts = {"parts": {"shown": {"weight": 0.5, "verifier": "pixels"}, "read": {"weight": 0.01, "kind": "readback"}}}
    arguments = json.dumps({"options": parts})
    assert run([*told, "--reward", "weighted", "--reward-args", arguments, "-o", str(tmp_path / "c")]) == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)["metrics"]} == {"score", "shown", "read"}
    assert run([*told, "--reward", "readbak", "-o", str(tmp_path / "d")]) == 2
    assert "no reward named 'readbak'; did you mean 'readback'?" in capsys.readouterr().err
    assert run([*told, "--reward", "readback", "--reward-args", "readings=log", "-o", str(tmp_path / "d")]) == 2
    assert "no argument of a reward named 'readings'; did you mean 'reading'?" in capsys.readouterr().err


def test_another_reward_leaves_the_figures_of_the_old_one_behind() -> None:
    old = Task("old", "1", "", (Sample("a", Request("a"), QUESTIONS, ("x",)),), RewardSpec(), "pooled by tag",
               weights={"x": 1.0}, scale=100.0, offset=1.0)  # fmt: skip
    new = rewarded(old, "vqascore", {})
    assert (new.headline, new.scale, new.offset, dict(new.weights)) == ("mean", 1.0, 0.0, {})
    assert [one.id for one in new.samples[0].questions] == ["vqascore"]
    kept = rewarded(load_task("scenes", {}), "readback", {})
    assert kept.headline == "mean of tags"
