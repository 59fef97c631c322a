"""Lessons of looking: describing a scene, and answering the questions that the benchmark asks about pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from harness.bagel.prompts import Prompts
from tasks.composition import NUMBERS, QUALITY, RELATION_QUESTIONS, plural, with_article
from tasks.scene import (
    COLOURS,
    OPPOSITE,
    QUARTERS,
    RELATIONS,
    SHAPES,
    SIDE,
    Scene,
    Thing,
    draw_whole,
    place,
    related,
    render,
)
from tasks.scenes import free_colours
from trainer.lesson import Example, Picture, Pixels, scene_of_training

ROWS, COLUMNS = ("top", "", "bottom"), ("left", "", "right")
QUESTIONS = 7
"""Questions asked about the content of each clean picture."""
Kind = Callable[[Scene, "Counter[str]", bool, Random], str]
"""A question about a scene, with its shapes counted, that is true of it or not; nothing where there is none."""
SPOILT = 0.2
"""Share of pictures with a fault, which only the quality question about it is asked of."""


def any_scene(random: Random) -> Scene:
    """A scene of a training prompt, or one to four things at will."""
    if random.random() < 0.4:
        return scene_of_training(random)[1]
    wanted = []
    for _ in range(draw_whole(random, 1, 4)):
        shape = SHAPES[draw_whole(random, 0, len(SHAPES) - 1)]
        free = free_colours(shape)
        wanted.append((shape, free[draw_whole(random, 0, len(free) - 1)]))
    return place(wanted, None, random)


def third(position: int) -> int:
    """Which third of the picture a place lies in."""
    return min(2, position * 3 // (SIDE * QUARTERS))


def where(thing: Thing) -> str:
    """The ninth of the picture a thing lies in, in words."""
    words = f"{ROWS[third(thing.y)]} {COLUMNS[third(thing.x)]}".strip()
    return words or "centre"


def description(scene: Scene) -> str:
    """Every thing with its place, in the order of reading: `a red star top left and a blue heart right`."""
    things = sorted(scene.things, key=lambda thing: (third(thing.y), third(thing.x), thing.shape, thing.colour))
    return " and ".join(f"{with_article(f'{thing.colour} {thing.shape}')} {where(thing)}" for thing in things)


def describe(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From a picture to its description."""
    scene = any_scene(random)
    picture = Picture(faint(render(scene), random), whole=False)
    return Example(read=(picture,), asked=((prompts.describe, description(scene)),))


def answer(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """From a picture to its description, and to answers of yes and no, equally often; some pictures are spoilt."""
    return answered(prompts, random, (exists, attribute, count, total, spatial))


def examine(prompts: Prompts, random: Random, number: int) -> Example:  # noqa: ARG001 - one signature for all lessons
    """As `answer`, with more questions about what the model finds hard: which shapes there are, and where."""
    return answered(prompts, random, (exists, exists, exists, attribute, count, total, spatial, spatial, spatial))


def answered(prompts: Prompts, random: Random, kinds: Sequence[Kind]) -> Example:
    """A picture, its description and questions of some kinds about it."""
    scene = any_scene(random)
    pixels = render(scene)
    if random.random() < SPOILT:
        fault = draw_whole(random, 0, 2)
        pixels, asked = blemish(pixels, scene, fault, random), [(QUALITY[fault].text, "no")]
    else:
        asked = [question_about(scene, random, kinds) for _ in range(QUESTIONS)]
        asked.append((QUALITY[draw_whole(random, 0, 2)].text, "yes"))
    worded = [(prompts.question.replace("{question}", text), said) for text, said in asked]
    described = [] if len(asked) == 1 else [(prompts.describe, description(scene))]
    return Example(read=(Picture(faint(pixels, random), whole=False),), asked=(*worded, *described))


def question_about(scene: Scene, random: Random, kinds: Sequence[Kind] = ()) -> tuple[str, str]:
    """A question of the benchmark's wording, true or false of the scene by the toss of a coin; of any kind, or some."""
    true = random.random() < 0.5
    shapes = Counter(thing.shape for thing in scene.things)
    among = kinds or (exists, attribute, count, total, spatial)
    asked = among[draw_whole(random, 0, len(among) - 1)](scene, shapes, true, random)
    return (asked or total(scene, shapes, true, random), "yes" if true else "no")


def pick(random: Random, choices: list[str]) -> str:
    """One of several."""
    return choices[draw_whole(random, 0, len(choices) - 1)]


def exists(scene: Scene, shapes: Counter[str], true: bool, random: Random) -> str:  # noqa: ARG001 - one signature
    """Is there a star?"""
    return f"Is there {with_article(pick(random, [one for one in SHAPES if (one in shapes) == true]))}?"


def attribute(scene: Scene, shapes: Counter[str], true: bool, random: Random) -> str:  # noqa: ARG001 - one signature
    """Is the star red?"""
    thing = scene.things[draw_whole(random, 0, len(scene.things) - 1)]
    here = {one.colour for one in scene.things if one.shape == thing.shape}
    elsewhere = [one.colour for one in scene.things if one.colour not in here]
    if true:
        return f"Is the {thing.shape} {thing.colour}?"
    if elsewhere and random.random() < 0.5:  # a colour that another thing has is the harder no
        return f"Is the {thing.shape} {pick(random, elsewhere)}?"
    return f"Is the {thing.shape} {pick(random, [one for one in COLOURS if one not in here])}?"


def exactly(number: int, one: str, many: str) -> str:
    """Are there exactly two stars?"""
    return f"Is there exactly one {one}?" if number == 1 else f"Are there exactly {NUMBERS[number]} {many}?"


def other(number: int, random: Random) -> int:
    """Another number of one to four, a near one more often."""
    near = [one for one in NUMBERS if abs(one - number) == 1]
    return int(pick(random, [str(one) for one in (near * 2 + [one for one in NUMBERS if one != number])]))


def count(scene: Scene, shapes: Counter[str], true: bool, random: Random) -> str:  # noqa: ARG001 - one signature
    """Are there exactly two stars?"""
    shape = pick(random, list(shapes))
    number = shapes[shape] if true else other(shapes[shape], random)
    return exactly(number, shape, plural(shape))


def total(scene: Scene, shapes: Counter[str], true: bool, random: Random) -> str:  # noqa: ARG001 - one signature
    """Are there exactly two objects?"""
    number = len(scene.things) if true else other(len(scene.things), random)
    return exactly(number, "object", "objects")


def spatial(scene: Scene, shapes: Counter[str], true: bool, random: Random) -> str:
    """Is the star to the left of the heart? Nothing where no two things stand clearly so."""
    alone = [thing for thing in scene.things if shapes[thing.shape] == 1]
    pairs = [(one, two) for one in alone for two in alone if one is not two]
    if not pairs:
        return ""
    first, second = pairs[draw_whole(random, 0, len(pairs) - 1)]
    holding = [relation for relation in RELATIONS if related(first, second, relation)]
    if not holding:
        return ""
    back, others = OPPOSITE[holding[0]], sorted(set(RELATIONS) - set(holding))
    relation = holding[0] if true else pick(random, [back, back, *others])
    return f"Is the {first.shape} {RELATION_QUESTIONS[relation]} the {second.shape}?"


def faint(pixels: Pixels, random: Random) -> Pixels:
    """The picture, sometimes with noise: what a model draws is never quite clean."""
    if random.random() < 0.6:
        return pixels
    noise = np.random.default_rng(draw_whole(random, 0, 2**40)).normal(0.0, 14.0 * random.random(), pixels.shape)
    noisy: Pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return noisy


def blemish(pixels: Pixels, scene: Scene, fault: int, random: Random) -> Pixels:
    """The picture with a broken shape (0), a shape of two colours (1), or a spot on the ground (2)."""
    spoilt = pixels.copy()
    if fault == 2:
        top, left = draw_whole(random, 0, SIDE - 9), draw_whole(random, 0, SIDE - 9)
        spot = spoilt[top : top + draw_whole(random, 3, 9), left : left + draw_whole(random, 3, 9)]
        plain = np.abs(spot.astype(int) - scene.ground).max(axis=2, keepdims=True) < 12
        spot[:] = np.where(plain, spot + draw_whole(random, 1, 2) * np.array([-30, -25, -20]), spot).clip(0, 255)
        return spoilt
    thing = scene.things[draw_whole(random, 0, len(scene.things) - 1)]
    x, y, reach = thing.x // QUARTERS, thing.y // QUARTERS, thing.radius // QUARTERS + 1
    rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    half = (slice(max(0, y - reach), y), columns) if random.random() < 0.5 else (rows, slice(max(0, x - reach), x))
    part = spoilt[half]
    inside = np.abs(part.astype(int) - scene.ground).max(axis=2, keepdims=True) > 30
    names = [one for one in COLOURS if one != thing.colour]
    paint = np.array([scene.ground] * 3 if fault == 0 else COLOURS[pick(random, names)], dtype=np.uint8)
    part[:] = np.where(inside, paint, part)
    return spoilt
