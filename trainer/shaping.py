"""What only training does to a score, after it and logged apart: rectification, format bonus (method.md 4.3, 4.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

Rectify = Literal["floor", "group_min", "none"]
THOUGHT = re.compile(r"\s*<think>.*</think>\s*", re.DOTALL)
"""A text that opens and closes its thought."""


def rectify(rewards: Sequence[float | None], first: float | None, rule: Rectify = "floor") -> list[float | None]:
    """The rewards of one group of refinements of an image that scored `first`.

    `floor` lifts those that are not better to the input's reward (AlphaGRPO's code), `group_min` lowers them to the
    group's lowest (its wording). Unscored ones stay so, and all are where the input has no score.
    """
    if rule == "none":
        return list(rewards)
    if first is None:
        return [None] * len(rewards)
    lowest = min((one for one in rewards if one is not None), default=first)
    instead = lowest if rule == "group_min" else first
    return [one if one is None or one > first else instead for one in rewards]


def gains(rewards: Sequence[float | None]) -> list[float | None]:
    """What each round of one trajectory added to the round before, at least 0; the first entry is the input's score."""
    return [
        None if before is None or after is None else max(after - before, 0.0) for before, after in pairwise(rewards)
    ]


def format_reward(text: str) -> float:
    """1 for a text that starts with the opening think tag and ends with the closing one, else 0."""
    return float(THOUGHT.fullmatch(text) is not None)


def add_format(rewards: Sequence[float | None], texts: Sequence[str], weight: float) -> list[float | None]:
    """Rewards plus the weighted format reward; unscored ones stay unscored."""
    return [
        None if reward is None else reward + weight * format_reward(text)
        for reward, text in zip(rewards, texts, strict=True)
    ]
