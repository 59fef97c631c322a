"""GenEval's rules as pure functions: presence, number, colour and position of detected objects (djghosh13/geneval).

The rules, their thresholds and the words of their reasons are those of the official code, so that results can be held
against it line by line; a fixture of 600 cases does. Boxes are pixels, y grows downwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from reward.detection import Box, Detection, Wanted
from tasks.registry import unknown
from tasks.sample import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
"""What the colour classifier can answer, in its order."""
Objects = Mapping[str, Sequence[Detection]]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The official defaults."""

    score: float = 0.3
    """A detection counts above this score."""
    counting: float = 0.9
    """The same, for prompts that are about numbers."""
    most: int = 16
    """So many of one class are kept."""
    overlap: float = 1.0
    """Boxes that overlap a kept one by this much or more are dropped; 1 keeps all."""
    position: float = 0.1
    """Offsets up to this share of both sizes are no relation."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that was checked; `reason` says why it does not hold, in the official words."""

    id: str
    held: bool
    found: str
    reason: str = ""


def wanted(metadata: Mapping[str, Any]) -> Wanted:
    """What a detector must be asked for."""
    every = [*metadata["include"], *metadata.get("exclude", ())]
    coloured = dict.fromkeys(one["class"] for one in metadata["include"] if "color" in one)
    return Wanted(tuple(dict.fromkeys(one["class"] for one in every)), tuple(coloured))


def kept(detections: Sequence[Detection], tag: str, limits: Thresholds) -> dict[str, list[Detection]]:
    """The detections of each class that count, best first; of equal scores the later one comes first."""
    least = limits.counting if tag == "counting" else limits.score
    found: dict[str, list[Detection]] = {}
    for _, _, one in sorted(((one.score, place, one) for place, one in enumerate(detections)), reverse=True):
        if one.score > least:
            found.setdefault(one.class_name, []).append(one)
    return {name: apart(some[: limits.most], limits.overlap) for name, some in found.items()}


def apart(detections: Sequence[Detection], overlap: float) -> list[Detection]:
    """Those that overlap none of the better ones too much."""
    found: list[Detection] = []
    for one in detections:
        if overlap >= 1.0 or all(intersection_over_union(one.box, other.box) < overlap for other in found):
            found.append(one)
    return found


def intersection_over_union(one: Box, other: Box, extra: float = 1.0) -> float:
    """Shared area over joint area; `extra` is added to each side, since pixel 3 to pixel 3 is one pixel wide."""
    shared = _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])), extra)
    return shared / (_area(one, extra) + _area(other, extra) - shared)


def _area(box: Box, extra: float) -> float:
    return max(box[2] - box[0] + extra, 0.0) * max(box[3] - box[1] + extra, 0.0)


def relations(one: Box, other: Box, tolerance: float = 0.1) -> tuple[str, ...]:
    """How a box stands to another: none, one or two of left of, right of, above, below."""
    offsets, revised = [], []
    for low, high in ((0, 2), (1, 3)):
        offset = (one[low] + one[high] - other[low] - other[high]) / 2
        slack = tolerance * (abs(one[high] - one[low]) + abs(other[high] - other[low]))
        offsets.append(offset)
        revised.append(math.copysign(max(abs(offset) - slack, 0.0), offset))
    if all(abs(one) < 1e-3 for one in revised):
        return ()
    right, down = (one / math.hypot(*offsets) for one in revised)  # the norm of the offsets before the slack
    stands = {"above": down < -0.5, "below": down > 0.5, "left of": right < -0.5, "right of": right > 0.5}
    return tuple(name for name, holds in stands.items() if holds)


def judge(metadata: Mapping[str, Any], detections: Sequence[Detection], limits: Thresholds) -> list[Clause]:
    """Every clause of a prompt; the image is right when all hold. One that an earlier one spares does not hold."""
    objects = kept(detections, metadata["tag"], limits)
    matched: list[Sequence[Detection] | None] = []
    clauses: list[Clause] = []
    for place, asked in enumerate(metadata["include"]):
        found = included(place, asked, objects, matched, limits)
        clauses += found
        matched.append(objects[asked["class"]][: asked["count"]] if all(one.held for one in found) else None)
    for place, asked in enumerate(metadata.get("exclude", ())):
        count = len(objects.get(asked["class"], ()))
        clauses.append(_counted(f"not {place}", asked, objects, count < asked["count"], "<"))
    return clauses


def included(
    place: int, asked: Mapping[str, Any], objects: Objects, matched: Sequence[Any], limits: Thresholds
) -> list[Clause]:
    """The clauses of one object that should be there: number, colour, position."""
    name, count = asked["class"], asked["count"]
    taken = objects.get(name, ())[:count]
    clauses = [_counted(f"count {place}", asked, objects, len(taken) == count, ">=")]
    if "color" in asked:
        spared = not clauses[-1].held
        clauses.append(Clause(f"colour {place}", False, "") if spared else _coloured(place, asked, taken))
    if "position" in asked:
        spared = not all(one.held for one in clauses)
        standing = Clause(f"position {place}", False, "")
        clauses.append(standing if spared else _placed(place, asked, taken, matched, limits))
    return clauses


def _counted(name: str, asked: Mapping[str, Any], objects: Objects, held: bool, sign: str) -> Clause:
    some = objects.get(asked["class"], ())
    details = {asked["class"]: [[*one.box, one.score] for one in some]}
    found = len(some[: asked["count"]]) if sign == ">=" else len(some)
    reason = "" if held else f"expected {asked['class']}{sign}{asked['count']}, found {found}"
    return Clause(name, held, json.dumps(details), reason)


def _coloured(place: int, asked: Mapping[str, Any], taken: Sequence[Detection]) -> Clause:
    colours = [one.colour for one in taken]
    wanted, count = asked["color"], colours.count(asked["color"])
    told = ", ".join(f"{colours.count(one)} {one}" for one in COLOURS if one in colours)
    reason = f"expected {wanted} {asked['class']}>={asked['count']}, found {count} {wanted}; and {told}"
    held = count >= asked["count"]
    return Clause(f"colour {place}", held, ", ".join(colours), "" if held else reason)


def _placed(
    place: int, asked: Mapping[str, Any], taken: Sequence[Detection], matched: Sequence[Any], limits: Thresholds
) -> Clause:
    relation, target = asked["position"]
    if matched[target] is None:
        return Clause(f"position {place}", False, "", f"no target for {asked['class']} to be {relation}")
    for one in taken:
        for other in matched[target]:
            stands = relations(one.box, other.box, limits.position)
            if relation not in stands:
                told = " and ".join(stands)
                reason = f"expected {asked['class']} {relation} target, found {told} target"
                return Clause(f"position {place}", False, told, reason)
    return Clause(f"position {place}", True, relation)


@dataclass(frozen=True, slots=True)
class GenEvalRules:
    """The rules of the detector reward; a sample's reference is its line of the official metadata."""

    limits: Thresholds

    def framed(self, image: Image) -> Image:
        """The picture as it is."""
        return image

    def wanted(self, sample: Sample) -> Wanted:
        """The classes of the prompt."""
        return wanted(sample.reference)

    def judge(self, sample: Sample, detections: Sequence[Detection]) -> dict[str, tuple[float, str]]:
        """1 or 0 for each clause, and what was found."""
        clauses = judge(sample.reference, detections, self.limits)
        return {one.id: (float(one.held), one.found) for one in clauses}

    def record(self) -> dict[str, Any]:
        """All thresholds."""
        return asdict(self.limits)


def read_rules(options: Mapping[str, Any]) -> GenEvalRules:
    """The rules with other thresholds than the official ones, where options name them."""
    known = [one.name for one in fields(Thresholds)]
    for name in options:
        if name not in known:
            raise ValueError(unknown("threshold", name, known))
    return GenEvalRules(Thresholds(**options))


def outcome(clauses: Sequence[Clause]) -> tuple[bool, str]:
    """Whether the image is right, and every reason why not, as the official results file has them."""
    return all(one.held for one in clauses), "\n".join(one.reason for one in clauses if one.reason)
