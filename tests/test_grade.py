"""From scores to lessons: groups that teach nothing, and pictures whose judge fails."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from accelerate import Accelerator
from PIL import Image

from harness.assemble import build_reward, build_verifier, load_task
from reward.encoding import png
from tests.server import Act, chat, running, sees
from tests.test_trajectory import SAMPLES, policy_of, rows_of
from trainer import collect
from trainer.advantage import advantages
from trainer.averages import Averages
from trainer.collect import Ground, mark, teachless
from trainer.diversity import near_duplicates
from trainer.grade import grade
from trainer.launch import Launch
from trainer.marks import Marked
from trainer.masters import Masters
from trainer.train_config import TrainConfig
from trainer.trajectory import Trajectory
from trainer.update import accumulate


def config_of(**changes: Any) -> TrainConfig:
    advantage = replace(TrainConfig().advantage, **changes)
    return replace(TrainConfig(), advantage=advantage, image=replace(TrainConfig().image, beta=0.1))


def marks_of(trajectories: list[Trajectory], rewards: list[float | None]) -> list[Marked]:
    return [
        Marked(one.situation.group, one.member, (reward,), None, False, 0.0, ())
        for one, reward in zip(trajectories, rewards, strict=True)
    ]


def test_a_group_of_equal_scores_is_left_out_whole_when_it_is_filtered() -> None:
    policy = policy_of()
    trajectories = policy.explore(rows_of(2, 4))
    marks = marks_of(trajectories, [0.5, 0.5, 0.5, None, 0.1, 0.2, 0.3, 0.4])
    kept = grade(config_of(), trajectories, marks, {})
    assert (len(kept.lessons), kept.scored, kept.figures["groups_filtered"]) == (8, 7, 0.0)
    filtered = grade(config_of(filter_zero_std=True), trajectories, marks, {})
    assert {one.trajectory.situation.group.slot for one in filtered.lessons} == {1}
    assert (filtered.scored, filtered.figures["groups_filtered"]) == (4, 1.0)
    assert filtered.unscored == kept.unscored == 1 / 8
    assert [one.images for one in filtered.lessons] == [one.images for one in kept.lessons[4:]]


def test_a_filtered_update_is_the_update_of_the_groups_that_are_left() -> None:
    policy = policy_of()
    trajectories = policy.explore(rows_of(2, 4))
    config = config_of(filter_zero_std=True, scale_rewards="none")
    for name, parameter in policy.parameters().items():
        if name.endswith("weight"):
            parameter.data.mul_(1.01)  # away from the reference, so that the divergence has a gradient
    found = []
    for part, rewards in ((trajectories, [0.5] * 4 + [0.1, 0.2, 0.3, 0.4]), (trajectories[4:], [0.1, 0.2, 0.3, 0.4])):
        batch = grade(config, part, marks_of(part, list(rewards)), {})
        for parameter in policy.parameters().values():
            parameter.grad = None
        averages = Averages.start(policy.parameters(), config)
        masters = Masters(policy.parameters(), Launch(Accelerator(cpu=True)))
        accumulate(policy, masters, batch.lessons, config, averages, batch.scored, aligned=True)
        found.append({name: one.grad.clone() for name, one in policy.parameters().items() if one.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        assert gradient.equal(found[1][name]), name


def test_groups_of_one_level_or_of_too_few_scores_are_drawn_again() -> None:
    trajectories = policy_of().explore(rows_of(3, 4))
    marks = marks_of(trajectories, [0.5, 0.5, 0.5, 0.5, None, None, None, 0.1, 0.1, 0.2, None, 0.2])
    assert {group.slot for group in teachless(marks, config_of())} == {1}
    assert {group.slot for group in teachless(marks, config_of(filter_zero_std=True))} == {0, 1}


def test_a_format_reward_lets_a_group_of_equal_pictures_teach() -> None:
    trajectories = policy_of(think=True).explore(rows_of(1, 4))
    marks = [replace(one, format=float(one.member == 0)) for one in marks_of(trajectories, [0.5] * 4)]
    config = replace(config_of(filter_zero_std=True), think=True)
    assert teachless(marks, config) == set()
    assert len(grade(config, trajectories, marks, {}).lessons) == 4


def test_T34_a_picture_whose_judge_fails_has_no_score_and_its_group_is_compared_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collect, "PAUSES", (0.0,))
    policy = policy_of()
    trajectories = policy.explore(rows_of(1, 4))
    pictures = [Image.new("RGB", (16, 16), (60 * number, 0, 0)) for number in range(4)]
    for place, picture in enumerate(pictures):
        generation = trajectories[place].generation
        assert generation.response is not None
        response = replace(generation.response, image=picture)
        trajectories[place] = replace(trajectories[place], generation=replace(generation, response=response))
    shown = [b64encode(png(picture)).decode() for picture in pictures]

    def judge(request: dict[str, Any], number: int) -> Act:
        text = json.dumps(request)
        seen = [place for place, url in enumerate(shown) if url in text]
        if not seen:
            return sees(request, number)
        faults = {1: Act(500), 3: Act(body=chat("maybe", {"maybe": -0.01}))}
        return faults.get(seen[0], Act(body=chat("yes", {"yes": math.log(0.9 - seen[0] / 5), "no": -2.5})))

    with running(judge) as server:
        arguments = {"model": "m", "base_url": server.url, "mode": "logprobs", "tries": 1}
        reward = build_reward(load_task("scenes", {}), build_verifier("http", arguments))
        samples = {one.id: one for one in SAMPLES}
        ground = Ground(policy, samples, reward, Launch(Accelerator(cpu=True)), TrainConfig())
        marks = mark(ground, trajectories)
    values = [one.rewards[0] for one in marks]
    assert [value is None for value in values] == [False, True, False, True]
    batch = grade(TrainConfig(), trajectories, marks, {})
    scored = [value for value in values if value is not None]
    expected = iter(advantages(scored, [0] * len(scored)))
    for lesson, value in zip(batch.lessons, values, strict=True):
        assert lesson.images == (0.0 if value is None else pytest.approx(next(expected)),)
    assert (batch.scored, batch.unscored) == (2, 0.5)


def test_near_duplicates_are_pairs_of_one_group_alone() -> None:
    hashes, groups = ["00", "07", "0f", "00", "ff"], ["a", "a", "a", "b", "b"]
    assert near_duplicates(hashes, groups) == pytest.approx(2 / 4)
    assert near_duplicates(hashes[:1], groups[:1]) is None
