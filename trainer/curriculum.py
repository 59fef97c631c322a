"""In which order and in what shares the embedded model is taught: courses, and the batches of each step."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.bagel.prompts import Prompts
from tasks.key import key
from tasks.scene import SIDE
from trainer.exercise import Batch
from trainer.lesson import Lesson, draw, edit, infer, know, think
from trainer.look import answer, describe, examine
from trainer.repair import reflect

Course = Literal["draw", "look", "all", "polish", "see", "redraw"]


@dataclass(frozen=True, slots=True)
class Portion:
    """How much of a lesson one step holds."""

    lesson: Lesson
    examples: int
    draws: int = 0
    """Noise levels drawn for each image; 0 for a lesson that draws nothing."""
    dropped: float = 0.0
    """Share of examples whose last text and thought are left out, for guidance."""
    every: int = 1
    """Taught in one step of this many."""


COURSES: dict[Course, dict[str, Portion]] = {
    "draw": {"draw": Portion(draw, 48, 3, 0.1)},
    "look": {
        "describe": Portion(describe, 72),
        "know": Portion(know, 4, every=3),
        "draw": Portion(draw, 24, 2, 0.1, every=3),
    },
    "all": {
        "answer": Portion(answer, 16),
        "draw": Portion(draw, 32, 3, 0.1, every=2),
        "edit": Portion(edit, 24, 2, 0.05, every=2),
        "think": Portion(think, 24, 2, 0.1, every=3),
        "infer": Portion(infer, 8, every=3),
        "know": Portion(know, 4, every=3),
        "reflect": Portion(reflect, 16, 2, 0.05, every=3),
    },
    "polish": {
        "draw": Portion(draw, 48, 3, 0.1),
        "answer": Portion(answer, 24, every=3),
        "edit": Portion(edit, 24, 2, 0.05, every=3),
        "think": Portion(think, 24, 2, 0.1, every=3),
        "infer": Portion(infer, 4, every=3),
        "know": Portion(know, 2, every=3),
        "reflect": Portion(reflect, 16, 2, 0.05, every=3),
    },
    "see": {
        "examine": Portion(examine, 20),
        "draw": Portion(draw, 32, 2, 0.1, every=3),
        "edit": Portion(edit, 16, 2, 0.05, every=6),
        "reflect": Portion(reflect, 12, 2, 0.05, every=6),
        "think": Portion(think, 16, 2, 0.1, every=6),
        "infer": Portion(infer, 4, every=6),
        "know": Portion(know, 2, every=6),
    },
    "redraw": {
        "draw": Portion(draw, 40, 3, 0.1),
        "edit": Portion(edit, 24, 2, 0.05, every=3),
        "think": Portion(think, 20, 2, 0.1, every=3),
        "reflect": Portion(reflect, 16, 2, 0.05, every=3),
    },
}
"""It learns to draw, to look, then everything together, then drawing again with the rest kept up; then, with eyes that
were trained by themselves (`trainer/sight.py`), to see; last, the drawing expert alone, to draw after that."""


def lessons_of(course: Course, step: int) -> dict[str, Portion]:
    """What one step teaches: lessons that are not taught in every step take turns."""
    rows = enumerate(COURSES[course].items())
    return {name: portion for place, (name, portion) in rows if (step + place) % portion.every == 0}


def batch_of(
    name: str, portion: Portion, prompts: Prompts, seed: int, step: int, patch: int, noise_mean: float
) -> Batch:
    """One lesson's examples of one step; the same numbers give the same batch."""
    random = np.random.default_rng((seed, step, key("portion", name) % 2**32))
    first = step * portion.examples
    examples = [
        portion.lesson(prompts, Random(key("lesson", name, seed, number)), number)
        for number in range(first, first + portion.examples)
    ]
    plain = random.random(portion.examples) < portion.dropped
    levels = noise_levels(random, portion.examples, portion.draws, noise_mean)
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    shape = (portion.examples * portion.draws, (SIDE // patch) ** 2, 3 * patch * patch)
    noise = torch.randn(shape, generator=generator)
    return Batch(tuple(examples), tuple(bool(one) for one in plain), levels, noise)


def noise_levels(random: np.random.Generator, examples: int, draws: int, mean: float) -> Tensor:
    """Noise levels (examples * draws,): logit-normal, stratified over the draws of one image."""
    if not draws:
        return torch.zeros(0)
    strata = (np.arange(draws) + random.random((examples, draws))) / draws
    logit = torch.special.ndtri(torch.from_numpy(strata).clamp(1e-4, 1.0 - 1e-4)).flatten() + mean
    return torch.sigmoid(logit).float()
