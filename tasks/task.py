"""A task: samples, the reward that scores them, and how its figure is formed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.sample import Sample


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
        ids = [sample.id for sample in self.samples]
        if len(set(ids)) != len(ids):
            twice = sorted({one for one in ids if ids.count(one) > 1})[:10]
            raise ValueError(f"task {self.name!r} has samples with the same id: {', '.join(twice)}")
