"""How much of what is asked was trained on, and a held-out verifier that is not held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from reward.verifier import Query, Reply
from tasks.scenes import Arguments, load
from trainer.held_out import held_out_job
from trainer.overlap import prompt_overlap
from trainer.train_config import HeldOutConfig, TrainConfig

TRAINED = ["A red cube.", "a small dog asleep on the warm grey roof of a very old barn"]


@pytest.mark.parametrize(
    ("asked", "exact", "near"),
    [
        ("a red cube", 1, 0),
        ("A  red, cube!", 1, 0),
        ("cube red a", 0, 0),
        # 14 words, 13 of them different, and 13 pairs; without the last word 12 and 12 of 26 are left, 24/26 = .92
        ("a small dog asleep on the warm grey roof of a very old", 0, 1),
        # another word in the middle takes a word and two pairs from both sides: 23/29 = .79
        ("a small dog asleep on the cold grey roof of a very old barn", 0, 0),
        ("", 0, 0),
    ],
)
def test_a_prompt_is_the_same_nearly_the_same_or_another(asked: str, exact: int, near: int) -> None:
    assert prompt_overlap([asked, asked], TRAINED) == {"exact": exact, "near": near}


def test_many_prompts_are_compared_in_chunks() -> None:
    asked = [f"picture number {number} of a long series of pictures of one tree" for number in range(600)]
    assert prompt_overlap(asked, [asked[599], "nothing alike"]) == {"exact": 1, "near": 0}
    assert prompt_overlap(asked, []) == {"exact": 0, "near": 0}


def test_the_split_of_the_embedded_world_shares_no_prompt() -> None:
    asked, trained = ([one.request.prompt for one in load(Arguments(split=name)).samples]
                      for name in ("evaluation", "train"))  # fmt: skip
    assert prompt_overlap(asked, trained)["exact"] == 0
    assert prompt_overlap(asked[:9], asked)["exact"] == 9


class Judge:
    """A verifier of one name that some server serves under another."""

    id = "judge"

    def __init__(self, served: str, mode: str = "logprobs") -> None:
        self.record: dict[str, Any] = {"name": "judge", "served_id": served, "mode": mode}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [Reply("yes", {"yes": 1.0}) for _ in queries]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    monkeypatch.setattr("trainer.held_out.build_verifier", lambda name, arguments: Judge("qwen-8b"))
    section = HeldOutConfig(task="scenes", task_args={"split": "evaluation"}, num_images=1, limit=2)
    return replace(TrainConfig(), task="scenes", eval_steps=1, held_out=section)


def test_one_model_behind_two_names_may_not_judge_both(judged: TrainConfig) -> None:
    samples = load(Arguments(split="train")).samples
    trainer = SimpleNamespace(id="other name", record={"served_id": "qwen-8b"}, ask=None)
    with pytest.raises(ValueError, match=r"is the one that training sees, qwen-8b.*held_out\.same_verifier=true"):
        held_out_job(judged, samples, trainer)
    allowed = replace(judged, held_out=replace(judged.held_out, same_verifier=True))
    found = held_out_job(allowed, samples, trainer)
    assert found.facts["self_verified"]
    assert found.facts["reward_verifier"] == "other name"
    assert any("cannot show reward hacking" in one for one in found.warnings)
    assert not held_out_job(judged, samples, Judge("another-4b")).facts["self_verified"]


def test_rules_may_judge_both_and_the_record_says_so(judged: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.held_out.build_verifier", lambda name, arguments: Judge("", "rule"))
    found = held_out_job(judged, load(Arguments(split="train")).samples, Judge("", "rule"))
    assert found.facts["self_verified"]
    assert found.facts["prompt_overlap"]["exact"] == 0
