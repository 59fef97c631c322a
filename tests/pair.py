"""A third party's task: two prompts of its own about the embedded world."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task


@dataclass(frozen=True, slots=True)
class Arguments:
    """The task has no arguments."""


def load(_: Arguments) -> Task:
    samples = [
        Sample(shape, Request(f"a {shape}"), (Question("s1", f"Is there a {shape}?"),)) for shape in ("star", "ring")
    ]
    return Task("pair", "1", "evaluation", tuple(samples), RewardSpec(combine="pooled"), images=2)
