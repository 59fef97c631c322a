"""What is known of the trajectories of an update once they are scored."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.plan import Group
from trainer.update import Lesson


@dataclass(frozen=True, slots=True)
class Marked:
    """What every process knows of one trajectory."""

    group: Group
    member: int
    rewards: tuple[float | None, ...]
    """Of each round; one entry where the final picture alone is credited"""
    first: float | None
    """Score of the picture that was refined"""
    refine: bool
    format: float
    parts: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """One update: the lessons of this process, and the figures of all."""

    lessons: tuple[Lesson, ...]
    scored: int
    unscored: float
    figures: dict[str, float]
    seconds: dict[str, float]
