"""What is in a small picture: its ground, and its things with colour, place, size and likeness to each shape.

A pixel is read as a blend of the ground and one colour; connected pixels of one colour are a thing; a thing is compared
with every shape drawn at the same size and place. A picture of another size or proportion is brought to 32 x 32 by
averaging areas, a transparent one is laid on the world's grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from reward.likeness import Floats, compare
from tasks.scene import COLOURS, GROUND, SIDE

Mask = NDArray[np.bool_]
Labels = NDArray[np.int64]
Box = tuple[slice, slice]

PALETTE: Floats = np.array(list(COLOURS.values()), dtype=np.float64)
HALF = 0.5
"""Least share of a colour in a pixel that belongs to a thing."""
FAINT = 32.0
"""Least distance from the ground, in levels, of a pixel that belongs to a thing."""
SPECK = 2
"""A thing of at most this many pixels is noise, not a thing."""
SHAPED = 0.6
"""Touching colours whose common outline is off from a shape's by less than this, in pixels, are one thing."""
ALIKE = 60.0
"""Touching colours less than this apart, in levels, are shades of one; the palette's nearest two are 87 apart."""
FOUR = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
"""Pixels that share a side are connected."""
CORE = 4
"""Least number of inner pixels that a colour is read from."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in a picture; lengths are in pixels, y grows downwards."""

    x: float
    y: float
    """Middle of its box"""
    width: float
    height: float
    """Sides of its box"""
    area: float
    """Pixels covered"""
    colour: Floats
    """(3,) mean level of its inner pixels"""
    spread: float
    """Root-mean-square deviation of the inner pixels from that, in levels"""
    likeness: Floats
    """(shapes,) 1 for a perfect overlap with that shape, 0 for none"""
    errors: Floats
    """(shapes,) mean distance of its outline from that shape's, both enlarged to a radius of 5 if smaller"""


@dataclass(frozen=True, slots=True)
class Picture:
    """What was measured in one picture."""

    ground: Floats
    unrest: float
    """Root-mean-square deviation of the ground's pixels, in levels; infinite where hardly any ground is seen"""
    things: tuple[Found, ...]


def measure(levels: Floats) -> Picture:
    """Measures a picture from its (SIDE, SIDE, 3) levels."""
    border = np.concatenate([levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]])
    ground = np.sort(border, axis=0)[len(border) // 2]
    away = np.zeros((SIDE + 2, SIDE + 2, 3))
    away[1:-1, 1:-1] = levels - ground
    share, label = _blend(away, PALETTE - ground)
    things = []
    near = np.zeros(share.shape, dtype=bool)
    for box, thing in _things(away, share, label, ground):
        things.append(thing)
        near[max(box[0].start - 1, 0) : box[0].stop + 1, max(box[1].start - 1, 0) : box[1].stop + 1] = True
    quiet = away[1:-1, 1:-1][~near[1:-1, 1:-1]]
    unrest = float(np.sqrt(np.mean(quiet**2))) if len(quiet) >= 16 else float("inf")
    return Picture(ground, unrest, tuple(things))


def levels_of(image: Image.Image) -> Floats:
    """(SIDE, SIDE, 3) levels, 0 to 255, of a picture of any mode and size; OSError or ValueError if unreadable."""
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, (GROUND,) * 3 + (255,)), image.convert("RGBA"))
    if 0 in image.size:
        raise ValueError(f"it has {image.width} x {image.height} pixels")
    image = image.convert("RGB")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float64)


def _blend(away: Floats, lines: Floats) -> tuple[Floats, Labels]:
    """How much of a colour each pixel holds (0 to 1), and which colour that is by the vote of its neighbours."""
    flat, length = away.reshape(-1, 3), np.maximum((lines**2).sum(1), 1.0)
    along = flat @ lines.T
    part = np.clip(along / length, 0.0, 1.0)
    label = (part * (part * length - 2.0 * along)).argmin(1)  # the squared miss, less what all colours have in common
    share = np.take_along_axis(part, label[:, None], 1)[:, 0]
    share[np.einsum("ij,ij->i", flat, flat) < FAINT**2] = 0.0
    present = np.unique(label[share >= HALF])
    share, label = share.reshape(away.shape[:2]), label.reshape(away.shape[:2])
    if len(present) < 2:
        return share, label
    votes = np.where(label == present[:, None, None], share, 0.0)
    votes[:, 1:-1] += votes[:, :-2] + votes[:, 2:]
    votes[:, :, 1:-1] += votes[:, :, :-2] + votes[:, :, 2:]
    return share, present[votes.argmax(0)]


def _things(away: Floats, share: Floats, label: Labels, ground: Floats) -> Iterator[tuple[Box, Found]]:
    """The things, each in a box with a pixel around; touching colours are one thing where they share a shape."""
    numbered, count = ndimage.label(share >= HALF, FOUR)
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbered, count), start=1):
        box = slice(rows.start - 1, rows.stop + 1), slice(columns.start - 1, columns.stop + 1)
        own = numbered[box] == number
        if np.count_nonzero(own) <= SPECK:
            continue
        parts = list(_parts(away[box], share[box], label[box], own))
        whole = _thing(away[box], share[box], own, box, ground)
        if len(parts) <= 1 or whole.errors[whole.likeness.argmax()] < SHAPED:
            yield box, whole
        else:
            yield from ((box, _thing(away[box], share[box], part, box, ground)) for part in parts)


def _parts(away: Floats, share: Floats, label: Labels, own: Mask) -> Iterator[Mask]:
    """Connected pixels of one colour or its shades, where they are more than a speck."""
    if len(np.unique(label[own])) == 1:
        yield own
        return
    joined = _join(away, share, label, own)
    for shade in np.unique(joined[own]):
        numbered, count = ndimage.label(own & (joined == shade), FOUR)
        every = (numbered == number for number in range(1, count + 1))
        yield from (part for part in every if np.count_nonzero(part) > SPECK)


def _join(away: Floats, share: Floats, label: Labels, own: Mask) -> Labels:
    """Labels in which colours that are shades of one another are one: each takes the nearest that has more pixels."""
    kinds, counts = np.unique(label[own], return_counts=True)
    joined, kept = label.copy(), dict[int, Floats]()
    for kind in kinds[np.argsort(-counts, kind="stable")].tolist():
        where = own & (label == kind)
        shade = (away[where] / share[where][:, None]).mean(0)
        near = min(kept, key=lambda other: float(np.linalg.norm(kept[other] - shade)), default=kind)
        if near != kind and np.linalg.norm(kept[near] - shade) < ALIKE:
            joined[where] = near
        else:
            kept[kind] = shade
    return joined


def _thing(away: Floats, share: Floats, own: Mask, box: Box, ground: Floats) -> Found:
    """Measures one thing from its box and a pixel around: levels less the ground, shares of colour, pixels it owns."""
    core = away[_core(own, share)]
    line = core.mean(0)
    alpha = np.maximum(np.clip((away @ line) / max(float(line @ line), 1.0), 0.0, 1.0), np.where(own, share, 0.0))
    alpha[~_grown(own)] = 0.0
    whole = np.zeros((SIDE + 2, SIDE + 2))
    whole[box] = alpha
    (left, right), (top, bottom) = _extent(whole.max(0)), _extent(whole.max(1))
    likeness, errors = compare(whole[1:-1, 1:-1])
    return Found(
        x=(left + right) / 2,
        y=(top + bottom) / 2,
        width=right - left,
        height=bottom - top,
        area=float(alpha.sum()),
        colour=line + ground,
        spread=float(np.sqrt(np.mean((core - line) ** 2))),
        likeness=likeness,
        errors=errors,
    )


def _core(own: Mask, share: Floats) -> Mask:
    """The inner pixels of a thing, or its fullest ones where it is thin."""
    inner: Mask = own.copy()
    inner[1:-1, 1:-1] &= own[:-2, 1:-1] & own[2:, 1:-1] & own[1:-1, :-2] & own[1:-1, 2:]
    if np.count_nonzero(inner) >= CORE:
        return inner
    inner &= False
    inner |= own & (share >= np.sort(share[own])[-CORE:][0])
    return inner


def _grown(own: Mask) -> Mask:
    """A thing's pixels and the eight around each."""
    upright = own.copy()
    upright[1:] |= own[:-1]
    upright[:-1] |= own[1:]
    grown = upright.copy()
    grown[:, 1:] |= upright[:, :-1]
    grown[:, :-1] |= upright[:, 1:]
    return grown


def _extent(greatest: Floats) -> tuple[float, float]:
    """Where a thing begins and ends along one side, from the greatest coverage of each line, blanks around included."""
    first, last = np.flatnonzero(greatest >= HALF)[[0, -1]]
    begin, end = first - greatest[first] - greatest[first - 1], last - 1 + greatest[last] + greatest[last + 1]
    return float(begin), float(end)
