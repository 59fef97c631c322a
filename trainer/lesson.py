"""What the embedded model is taught: a mix of lessons, each a pure function of a seed and a number.

Step by step the mix grows; a lesson with weight 0 is not taught yet. `docs/tiny.md` says what was and was not taught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.scene import render
from tasks.scenes import training_scene


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn: after `text`, draw `image` (pixels 0-255, rows x columns x 3)."""

    text: str
    image: NDArray[np.uint8]


def draw(seed: int, number: int) -> Example:
    """A prompt of the training split and a scene that satisfies it."""
    prompt, scene, _ = training_scene(seed, number)
    return Example(prompt, render(scene))


LESSONS: dict[str, Callable[[int, int], Example]] = {"draw": draw}
"""Lessons by name."""

MIX: dict[str, float] = {"draw": 1.0}
"""Share of each lesson."""


def examples(seed: int, first: int, count: int) -> list[Example]:
    """Examples number `first` to `first + count - 1`, the lesson of each chosen by the mix."""
    names, shares = list(MIX), np.array(list(MIX.values()))
    edges = np.cumsum(shares / shares.sum())
    chosen = []
    for number in range(first, first + count):
        place = float(np.random.default_rng((seed, number, 1)).random())
        name = names[min(int(np.searchsorted(edges, place, side="right")), len(names) - 1)]
        chosen.append(LESSONS[name](seed, number))
    return chosen
