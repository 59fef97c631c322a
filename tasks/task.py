"""A task: samples, the reward that scores them, and how its figure is formed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.registry import unknown
from tasks.sample import Sample

HEADLINES = ("mean", "mean of tags")
"""How image scores become one figure: over prompts, or within each tag and then over tags."""
RESERVED = ("score", "correct")
"""Names of figures that no group of questions may take."""


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """Which reward scores the task; `verifier` is the task's reference verifier."""

    kind: str = "questions"
    reading: str = "share"
    combine: str = "geometric"
    verifier: str = "pixels"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark or training set, ready to run; `headline` names how image scores become one figure."""

    name: str
    version: str
    split: str
    samples: tuple[Sample, ...]
    reward: RewardSpec
    headline: str = "mean"
    images: int = 1
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        if self.headline not in HEADLINES:
            raise ValueError(unknown("headline", self.headline, HEADLINES))
        for sample in self.samples:
            check(sample, self)
        ids = [sample.id for sample in self.samples]
        if len(set(ids)) != len(ids):
            twice = sorted({one for one in ids if ids.count(one) > 1})[:10]
            raise ValueError(f"task {self.name!r} has samples with the same id: {', '.join(twice)}")


def check(sample: Sample, task: Task) -> None:
    """ValueError names a sample that could not be scored as it says."""
    place = f"sample {sample.id!r} of task {task.name!r}"
    ids = [question.id for question in sample.questions]
    for one in ids:
        if ids.count(one) > 1:
            raise ValueError(f"{place} has two questions with the id {one!r}")
    for question in sample.questions:
        if question.group in RESERVED:
            raise ValueError(f"{place} has a group of questions named {question.group!r}, which names a figure of ours")
    if task.headline == "mean of tags" and not sample.tags:
        raise ValueError(f"{place} has no tag, so it would be missing from the mean of tags")
