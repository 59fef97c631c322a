"""Scenes drawn badly: for each question of quality, a picture whose answer is no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.scene import QUARTERS, SIDE, Scene, coverage, render

Levels = NDArray[np.float64]


def to_image(levels: Levels) -> Image.Image:
    """Levels clipped and rounded."""
    return Image.fromarray(levels.clip(0, 255).round().astype(np.uint8))


def cut(scene: Scene, random: Random) -> Levels:  # noqa: ARG001 - one signature for all
    """The scene without the right half of one thing."""
    levels = render(scene).astype(np.float64)
    covered = mask(scene)
    covered[:, : scene.things[0].x // QUARTERS] = False
    levels[covered] = scene.ground
    return levels


def chequered(scene: Scene, random: Random) -> Levels:
    """The scene with one thing in squares of two shades, 70 levels apart; no white one, whose shade is the ground's."""
    first = scene.things[0]
    shown = replace(first, colour=random.choice(["red", "blue"])) if first.colour == "white" else first
    levels = render(replace(scene, things=(shown, *scene.things[1:])))
    rows, columns = np.indices((SIDE, SIDE)) // 3
    shade = 70.0 if shown.colour == "black" else -70.0
    spoilt: Levels = levels + (shade * ((rows + columns) % 2) * mask(scene))[:, :, None]
    return spoilt


def sloping(scene: Scene, random: Random) -> Levels:
    """The scene on a ground that grows 60 levels darker from one side to the other."""
    levels, slope = render(scene).astype(np.float64), np.linspace(0.0, -60.0, SIDE)[:: random.choice((1, -1)), None]
    return levels + np.where((levels == scene.ground).all(-1, keepdims=True), slope, 0.0)


def mask(scene: Scene) -> NDArray[np.bool_]:
    """The pixels that the first thing touches."""
    thing, frame = scene.things[0], np.zeros((SIDE + 20, SIDE + 20), dtype=bool)
    left, top = thing.x // QUARTERS, thing.y // QUARTERS
    frame[top : top + 20, left : left + 20] = coverage(
        thing.shape, thing.radius, thing.x % QUARTERS, thing.y % QUARTERS
    )
    return frame[10:-10, 10:-10]


SPOILT: dict[str, Callable[[Scene, Random], Levels]] = {"q1": cut, "q2": chequered, "q3": sloping}
"""For each question of quality, how a scene is made whose answer is no."""
