"""The one interface through which images are judged, in evaluation and in training alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reward.verdict import Score
from tasks.sample import Generation

REWARDS = {
    "questions": "reward.questions",
    "rubric": "reward.rubric",
    "detector": "reward.detector",
    "lettering": "reward.lettering",
    "vqascore": "reward.vqascore",
    "readback": "reward.readback",
    "weighted": "reward.weighted",
}
"""Kinds of reward; each module has a function `build(spec, verifier) -> Reward`, and `SPEC`, how it is built when
nothing more is said."""


class Reward(Protocol):
    """Judges generations; `id` hashes all that can change a score, `range` bounds every value."""

    id: str
    record: Mapping[str, Any]
    range: tuple[float, float]

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; None as its value means unscored, never zero."""
        ...


def check_range(reward: Reward, generation: Generation, value: float) -> float:
    """The value; ValueError for one outside the range that the reward declares."""
    low, high = reward.range
    if not low <= value <= high:
        raise ValueError(f"sample {generation.sample.id!r} scores {value}, outside the range {low:g} to {high:g}")
    return value
