"""How like a thing is to each shape: the shape is drawn with the thing's area and place, and the two are overlaid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tasks.scene import QUARTERS, SHAPES, SIDE, coverage

Floats = NDArray[np.float64]

RADII = range(4, 37)
"""Radii at which a thing is compared with a shape, in quarters of a pixel."""
SMALL = 5.0
"""Things of a smaller radius, in pixels, are judged as if enlarged to this one."""


@dataclass(frozen=True, slots=True)
class Proportions:
    """What must be known of the shapes to draw one with a given area and centre of mass."""

    areas: Floats
    """(shapes, radii) pixels covered, for each of RADII"""
    perimeters: Floats
    """(shapes,) of radius 1"""
    drops: Floats
    """(shapes,) how far below the origin the centre of mass lies, of radius 1"""


@cache
def proportions() -> Proportions:
    """Measured once on the shapes as they are drawn."""
    areas = [[coverage(shape, radius, 0, 0).sum(dtype=np.float64) for radius in RADII] for shape in SHAPES]
    drawn = np.array([coverage(shape, 32, 0, 0) for shape in SHAPES], dtype=np.float64) / 64
    return Proportions(
        areas=np.array(areas),
        perimeters=np.hypot(*np.gradient(drawn, axis=(1, 2))).sum((1, 2)) * 8,
        drops=drawn.sum(2) @ (np.arange(20) - 9.5) / drawn.sum((1, 2)) / 8,
    )


def compare(alpha: Floats) -> tuple[Floats, Floats]:
    """For each shape: the soft Jaccard index with a (SIDE, SIDE) coverage, and the mean distance of the outlines."""
    area = float(alpha.sum())
    x = float(alpha.sum(0) @ (np.arange(SIDE) + 0.5)) / area
    y = float(alpha.sum(1) @ (np.arange(SIDE) + 0.5)) / area
    known = proportions()
    radii = np.abs(known.areas - area).argmin(1) + RADII[0]
    framed = np.zeros((SIDE + 40, SIDE + 40), dtype=np.float32)
    framed[20:-20, 20:-20] = alpha
    ours, theirs = [], []
    for shape, radius, drop in zip(SHAPES, radii.tolist(), known.drops.tolist(), strict=True):
        at_x, at_y = round(x * QUARTERS), round(y * QUARTERS - drop * radius)
        theirs.append(coverage(shape, radius, at_x % QUARTERS, at_y % QUARTERS))
        top, left = at_y // QUARTERS + 10, at_x // QUARTERS + 10
        ours.append(framed[top : top + 20, left : left + 20])
    drawn = np.array(theirs)
    shared = np.minimum(np.array(ours), drawn).sum((1, 2), dtype=np.float64)
    joint = area + drawn.sum((1, 2), dtype=np.float64) - shared
    radius = radii / QUARTERS
    errors = (joint - shared) / (known.perimeters * radius) * np.maximum(1.0, SMALL / radius)
    return shared / joint, errors
