"""The embedded world: small pictures of flat coloured shapes on a plain ground.

Lengths are whole quarters of a pixel, so that every shape is drawn once for each size and offset and then reused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import hypot
from random import Random

import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""Pixels along a side of a picture."""
QUARTERS = 4
"""Units of length in a pixel."""
GROUND = 208
"""Grey level of the ground, before each scene's own small shift."""
GAP = 6
"""Least distance between two things, in quarters."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "orange": (245, 140, 20),
    "yellow": (250, 225, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "purple": (135, 50, 170),
    "pink": (250, 140, 185),
    "brown": (120, 75, 40),
    "black": (20, 20, 20),
    "white": (252, 252, 252),
}
"""GenEval's ten colour names and what they look like here."""

RADII = {1: (20, 32), 2: (18, 26), 3: (18, 22), 4: (17, 20)}
"""Least and greatest radius, in quarters, by the number of things in a scene."""

Plane = NDArray[np.float64]


def _star(x: Plane, y: Plane) -> NDArray[np.bool_]:
    """Five points; the inner corners lie at .42 of the radius."""
    fifth = np.pi / 5
    angle = np.abs((np.arctan2(x, -y) + fifth) % (2 * fifth) - fifth)
    along, across = np.hypot(x, y) * np.cos(angle), np.hypot(x, y) * np.sin(angle)
    inner_x, inner_y = 0.42 * np.cos(fifth) - 1.0, 0.42 * np.sin(fifth)
    inside: NDArray[np.bool_] = inner_x * across - inner_y * (along - 1.0) >= 0
    return inside


def _heart(x: Plane, y: Plane) -> NDArray[np.bool_]:
    wide, high = 1.2 * x, 0.15 - 1.2 * y
    inside: NDArray[np.bool_] = (wide**2 + high**2 - 1.0) ** 3 - wide**2 * high**3 <= 0
    return inside


def _cross(x: Plane, y: Plane) -> NDArray[np.bool_]:
    thick, long = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    return (thick <= 0.33) & (long <= 1.0)


OUTLINES: dict[str, Callable[[Plane, Plane], NDArray[np.bool_]]] = {
    "circle": lambda x, y: np.hypot(x, y) <= 1.0,
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) <= 0.85,
    "triangle": lambda x, y: (y <= 0.8) & (y >= 1.9 * np.abs(x) - 1.0),
    "diamond": lambda x, y: np.abs(x) / 0.8 + np.abs(y) <= 1.0,
    "star": _star,
    "cross": _cross,
    "heart": _heart,
    "ring": lambda x, y: (np.hypot(x, y) <= 1.0) & (np.hypot(x, y) >= 0.52),
}
"""Which points belong to a shape of radius 1 around the origin; y grows downwards."""

SHAPES = tuple(OUTLINES)

SIDES = {"square": 0.85}
"""Half the side of the upright square around a shape of radius 1, where it is not 1."""
CORNERS = {"square": 1.21, "triangle": 1.25}
"""How far the corners of a shape of radius 1 lie from its middle, where it is not 1."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape: what it is, and where, in quarters of a pixel."""

    shape: str
    colour: str
    radius: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture before it is drawn."""

    ground: int
    things: tuple[Thing, ...]


@cache
def coverage(shape: str, radius: int, shift_x: int, shift_y: int) -> NDArray[np.float32]:
    """How much of each pixel of a 20 x 20 patch a shape covers, 0 to 1; its centre lies at (10, 10) plus the shift."""
    fine = (np.arange(20 * QUARTERS) + 0.5) / QUARTERS - 10.0
    x, y = np.meshgrid(fine - shift_x / QUARTERS, fine - shift_y / QUARTERS)
    inside = OUTLINES[shape](x * QUARTERS / radius, y * QUARTERS / radius)
    mean: NDArray[np.float32] = inside.reshape(20, QUARTERS, 20, QUARTERS).mean((1, 3), dtype=np.float32)
    mean.flags.writeable = False
    return mean


def render(scene: Scene) -> NDArray[np.uint8]:
    """The picture, (SIDE, SIDE, 3)."""
    wide = np.full((SIDE + 20, SIDE + 20, 3), scene.ground, dtype=np.float32)
    for thing in scene.things:
        left, top = thing.x // QUARTERS, thing.y // QUARTERS
        covered = coverage(thing.shape, thing.radius, thing.x % QUARTERS, thing.y % QUARTERS)[..., None]
        patch = wide[top : top + 20, left : left + 20]
        patch += (np.array(COLOURS[thing.colour], dtype=np.float32) - patch) * covered
    picture: NDArray[np.uint8] = (wide[10 : SIDE + 10, 10 : SIDE + 10] + 0.5).astype(np.uint8)
    return picture


RELATIONS: dict[str, tuple[int, int]] = {
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
"""Direction from the second thing to the first."""
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
"""The relation of the second to the first."""


def related(first: Thing, second: Thing, relation: str) -> bool:
    """Whether the first stands clearly so to the second: 8 pixels or more that way, and 1.3 times as far as aside."""
    ahead_x, ahead_y = RELATIONS[relation]
    offset_x, offset_y = first.x - second.x, first.y - second.y
    ahead = offset_x * ahead_x + offset_y * ahead_y
    aside = abs(offset_x) if ahead_x == 0 else abs(offset_y)
    return ahead >= 8 * QUARTERS and ahead >= 1.3 * aside


def place(wanted: Sequence[tuple[str, str]], relation: str | None, random: Random) -> Scene:
    """A scene of things given as (shape, colour), wholly visible and apart; a relation holds between the first two."""
    ground = GROUND + draw_whole(random, -4, 4)
    while True:
        things = _try_to_place(wanted, random)
        if things is not None and (relation is None or related(things[0], things[1], relation)):
            return Scene(ground, tuple(things))


def draw_whole(random: Random, least: int, greatest: int) -> int:
    """A whole number between two, both included; only `random()` is promised never to change between Pythons."""
    return least + int(random.random() * (greatest - least + 1))


def _try_to_place(wanted: Sequence[tuple[str, str]], random: Random) -> list[Thing] | None:
    least, greatest = RADII[len(wanted)]
    placed: list[Thing] = []
    for shape, colour in wanted:
        for _ in range(30):
            radius = draw_whole(random, least, greatest)
            near, far = radius + QUARTERS, (SIDE - 1) * QUARTERS - radius
            thing = Thing(shape, colour, radius, draw_whole(random, near, far), draw_whole(random, near, far))
            if all(apart(thing, other) for other in placed):
                placed.append(thing)
                break
        else:
            return None
    return placed


def apart(one: Thing, other: Thing) -> bool:
    """Whether the gap lies between two things: between the upright squares around them, or the circles."""
    aside_x, aside_y = one.x - other.x, one.y - other.y
    boxes = SIDES.get(one.shape, 1.0) * one.radius + SIDES.get(other.shape, 1.0) * other.radius
    if max(abs(aside_x), abs(aside_y)) >= boxes + GAP:
        return True
    circles = CORNERS.get(one.shape, 1.0) * one.radius + CORNERS.get(other.shape, 1.0) * other.radius
    return hypot(aside_x, aside_y) >= circles + GAP
