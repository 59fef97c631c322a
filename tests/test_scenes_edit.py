"""Edits of the embedded world: what was asked, what was kept, and that doing nothing or drawing afresh does not pay."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import pytest
from PIL import Image

from harness.assemble import build_reward, build_verifier
from reward.verdict import Score
from tasks.edit import EDITS
from tasks.sample import Generation, Response
from tasks.scene import Scene, render
from tasks.scenes import held_out_pairs
from tasks.scenes_edit import PROMPTS_PER_KIND, Arguments, edit_number, load
from tasks.task import Task


@pytest.fixture(scope="module")
def task() -> Task:
    return load(Arguments())


def judged(task: Task, results: list[Scene]) -> list[Score]:
    """The scores of pictures of these scenes."""
    reward = build_reward(task, build_verifier("pixels", {}))
    made = [Response(Image.fromarray(render(scene))) for scene in results]
    return reward.score([Generation(sample, 0, one) for sample, one in zip(task.samples, made, strict=True)])


def edits(task: Task) -> list[tuple[Scene, Scene]]:
    """Before and after of every evaluation edit."""
    found = [edit_number("evaluation", number) for number in range(len(task.samples))]
    return [(one.before, one.after) for one in found]


def test_each_kind_of_edit_is_asked_equally_often(task: Task) -> None:
    assert Counter(sample.tags[0] for sample in task.samples) == dict.fromkeys(EDITS, PROMPTS_PER_KIND)
    for sample in task.samples:
        assert len(sample.request.sources) == 1
        assert {question.group for question in sample.questions} == {"changed", "kept", "quality"}


def test_the_edited_scene_has_every_answer_right(task: Task) -> None:
    scores = judged(task, [after for _, after in edits(task)])
    assert min(score.value or 0.0 for score in scores) > 0.9
    assert all(score.parts["correct"] == 1.0 for score in scores)


def test_doing_nothing_changes_nothing(task: Task) -> None:
    scores = judged(task, [before for before, _ in edits(task)])
    assert not any(score.parts["correct"] for score in scores)
    assert fmean(score.parts["changed"] or 0.0 for score in scores) < 0.1
    assert fmean(score.parts["kept"] or 0.0 for score in scores) > 0.75


def test_another_picture_that_obeys_the_instruction_is_not_enough(task: Task) -> None:
    afters = [after for _, after in edits(task)]
    scores = judged(task, afters[5:] + afters[:5])  # the same kind of edit of another scene
    assert fmean(score.value or 0.0 for score in scores) < 0.4


def test_all_that_is_not_named_stays_where_it_was() -> None:
    for number in range(200):
        edit = edit_number("train", number)
        kept = set(edit.before.things) & set(edit.after.things)
        assert len(kept) >= len(edit.before.things) - 1
        assert edit.before.ground == edit.after.ground
        assert edit.before.things != edit.after.things
        assert not held_out_pairs() & {(thing.shape, thing.colour) for thing in edit.after.things}


def test_no_edit_of_training_is_an_edit_of_evaluation(task: Task) -> None:
    def told(split: str, count: int) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        found = [edit_number(split, number) for number in range(count)]
        return {
            (one.instruction, frozenset((thing.shape, thing.colour) for thing in one.before.things)) for one in found
        }

    assert not told("evaluation", len(task.samples)) & told("train", 1500)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (Arguments(split="test"), "no split of scenes-edit named 'test'"),
        (Arguments(version="0"), "no version '0'"),
        (Arguments(split="train", count=0), "1 training prompt or more"),
    ],
)
def test_what_does_not_exist_is_named(arguments: Arguments, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(arguments)
