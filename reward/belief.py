"""What a measured picture makes probable: for each thing, that it counts, which shape it is, and which colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from reward.likeness import Floats
from reward.picture import PALETTE, Picture
from tasks.scene import SHAPES

LEAST_AREA = 6.0
"""A thing of this many pixels is as likely as not to count as an object."""
MOST_ERROR = 0.6
"""A thing whose outline is off by this many pixels is as likely as not to have no shape at all."""
CLEAN_ERROR = 0.47
"""A thing whose outline is off by this many pixels is as likely as not to be clean and complete."""
FARTHEST = 65.0
"""A thing this far from a colour, in levels, is as likely as not to have it."""
MOST_SPREAD = 13.0
"""A thing whose levels deviate so much is as likely as not to be flat."""
MOST_UNREST = 15.0
"""A ground whose levels deviate so much is as likely as not to be plain."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Probabilities; T things."""

    counts: Floats
    """(T,) that a thing is an object and not debris"""
    shapes: Floats
    """(T, shapes) that an object has a shape"""
    colours: Floats
    """(T, colours) that an object has a colour"""
    clean: Floats
    """(T,) that an object has a clean and complete shape"""
    flat: Floats
    """(T,) that an object has one flat colour"""
    plain: float
    """That the ground is plain"""
    boxes: Floats
    """(T, 4) x and y of the middle, width, height, in pixels"""


def judge(picture: Picture) -> Belief:
    """Turns measurements into probabilities, each by a smooth curve."""
    things = picture.things
    likeness = np.array([thing.likeness for thing in things]).reshape(-1, len(SHAPES))
    area, spread = np.array([thing.area for thing in things]), np.array([thing.spread for thing in things])
    errors = np.array([thing.errors for thing in things]).reshape(-1, len(SHAPES))
    colour = np.array([thing.colour for thing in things]).reshape(-1, 1, 3)
    likeliest = _shares(likeness / 0.02)
    return Belief(
        counts=expit((area - LEAST_AREA) / 1.5),
        shapes=likeliest * expit((MOST_ERROR - errors) / 0.07),
        colours=_colours(np.sqrt(((PALETTE - colour) ** 2).sum(2))),
        clean=(likeliest * expit((CLEAN_ERROR - errors) / 0.07)).sum(1),
        flat=expit((MOST_SPREAD - spread) / 1.5),
        plain=float(expit((MOST_UNREST - picture.unrest) / 2.0)),
        boxes=np.array([(thing.x, thing.y, thing.width, thing.height) for thing in things]).reshape(-1, 4),
    )


def _colours(distance: Floats) -> Floats:
    """Nearest of the palette, and near enough."""
    return _shares(-distance / 8.0) * expit((FARTHEST - distance) / 8.0)


def _shares(evidence: Floats) -> Floats:
    """Softmax over the last axis."""
    weights = np.exp(evidence - evidence.max(-1, keepdims=True))
    shares: Floats = weights / weights.sum(-1, keepdims=True)
    return shares
