"""scenes-edit: the embedded world edited by instruction: add, remove, recolour, replace, move.

It has no published figures to reproduce: the world, its questions and its verifier are our own. Questions fall into
what should have changed and what should have been kept, so that neither doing nothing nor drawing afresh can win.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image

from tasks.edit import EDITS, Edit, make_edit
from tasks.key import key
from tasks.registry import unknown
from tasks.sample import Request, Sample
from tasks.scene import render
from tasks.task import RewardSpec, Task

VERSION = "1"
PROMPTS_PER_KIND = 40
"""Evaluation prompts of each kind."""
HELD_OUT_SHARE = 5
"""One pair of instruction and scene's content in this many is held out of training."""
SPLITS = ("evaluation", "train")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part of the edits is asked for."""

    split: str = "evaluation"
    """evaluation, or train for the disjoint training prompts"""
    count: int = 1000
    """Prompts in the train split; the evaluation split has its own fixed number."""
    version: str = VERSION
    """Edition of the prompts; figures of different editions are not compared"""


def edit_number(split: str, number: int) -> Edit:
    """Edit `number` of a split, a pure function of both.

    No instruction for a scene of the same things occurs in both splits.
    """
    kind = tuple(EDITS)[number % len(EDITS)]
    attempt = 0
    while True:
        edit = make_edit(kind, Random(key("scenes-edit", VERSION, split, number, attempt)))
        things = sorted((thing.shape, thing.colour) for thing in edit.before.things)
        held_out = key("scenes-edit", VERSION, edit.instruction, things) % HELD_OUT_SHARE == 0
        if held_out == (split == "evaluation"):
            return edit
        attempt += 1


def load(arguments: Arguments) -> Task:
    """The task; ValueError for a split, a version or a count that does not exist."""
    if arguments.split not in SPLITS:
        raise ValueError(unknown("split of scenes-edit", arguments.split, SPLITS))
    if arguments.version != VERSION:
        raise ValueError(f"scenes-edit has no version {arguments.version!r}; the versions are: {VERSION}")
    if arguments.count < 1:
        raise ValueError(f"scenes-edit can be asked for 1 training prompt or more, not {arguments.count}")
    count = PROMPTS_PER_KIND * len(EDITS) if arguments.split == "evaluation" else arguments.count
    return Task(
        name="scenes-edit",
        version=VERSION,
        split=arguments.split,
        samples=tuple(_sample(number, edit_number(arguments.split, number)) for number in range(count)),
        reward=RewardSpec(kind="questions", reading="share", combine="geometric", verifier="pixels"),
        headline="mean of tags",
        images=4,
        licence="Apache-2.0",
        citation="image-harness",
    )


def _sample(number: int, edit: Edit) -> Sample:
    return Sample(
        id=f"scenes-edit-{number + 1:04d}",
        request=Request(edit.instruction, (Image.fromarray(render(edit.before)),)),
        questions=edit.questions,
        tags=(edit.kind,),
        reference={"after": [[thing.shape, thing.colour] for thing in edit.after.things]},
    )
