"""What the embedded model is taught: lessons, each a pure function of a seed and a number, and how much of each.

`docs/tiny.md` says what was and was not taught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from harness.bagel.prompts import Prompts
from tasks.composition import Composition
from tasks.key import key
from tasks.riddle import facts, relation_fact
from tasks.scene import RELATIONS, SHAPES, Scene, draw_whole, render
from tasks.scenes import training_scene
from tasks.scenes_edit import edit_number
from tasks.scenes_reason import riddles

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is read: as BAGEL reads an image to edit (clean latents, then its eyes), or by the eyes alone."""

    pixels: Pixels
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to learn: after `read`, to answer each question of `asked` by itself, to write `thought`, to draw."""

    read: tuple[str | Picture, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()
    thought: str = ""
    image: Pixels | None = None


Lesson = Callable[[Prompts, Random, int], Example]


def thought(plan: str) -> str:
    """A plan between its marks."""
    return f"<think> {plan} </think>"


def scene_of_training(random: Random) -> tuple[str, Scene, Composition]:
    """A training prompt, a scene that satisfies it, and what it asks for."""
    return training_scene(draw_whole(random, 0, 2**40), draw_whole(random, 0, 2**40))


def draw(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From a prompt to a picture."""
    prompt, scene, _ = scene_of_training(random)
    return Example(read=(prompt,), image=render(scene))


def think(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From a plain prompt to a plan that says the same in plain words, and from both to a picture."""
    prompt, scene, composition = scene_of_training(random)
    return Example(read=(prompts.think, prompt), thought=thought(composition.phrase), image=render(scene))


def is_used(question: str) -> bool:
    """Whether a fact is not only known but also used in plans: true of half of them."""
    return key("lesson", "used", question) % 2 == 0


def infer(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From an indirect prompt to a plan, for half of the facts; it is never drawn."""
    every = tuple(riddles(evaluation=False).values())
    while True:
        side = every[draw_whole(random, 0, len(every) - 1)]
        riddle, prompt = side[draw_whole(random, 0, len(side) - 1)]
        if is_used(riddle.fact.question):
            return Example(read=(prompts.think, prompt), thought=thought(riddle.meant.phrase))


def know(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """Facts in words: riddles, mixtures, colours of things, numbers, and relations seen from the other side."""
    every, asked = facts(), []
    for _ in range(6):
        fact = every[draw_whole(random, 0, len(every) - 1)]
        asked.append((fact.question, fact.answer))
    for _ in range(2):
        first = draw_whole(random, 0, len(SHAPES) - 1)
        second = (first + draw_whole(random, 1, len(SHAPES) - 1)) % len(SHAPES)
        relation = tuple(RELATIONS)[draw_whole(random, 0, 3)]
        fact = relation_fact(SHAPES[first], relation, SHAPES[second])
        asked.append((fact.question, fact.answer))
    return Example(asked=tuple(asked))


def edit(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From a picture and an instruction to the edited picture."""
    found = edit_number("lessons", number)
    return Example(read=(Picture(render(found.before)), found.instruction), image=render(found.after))
