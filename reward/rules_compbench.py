"""T2I-CompBench's rules as pure functions: relations of two boxes, depth, and counts (Karine-Huang/T2I-CompBench).

Boxes are pixels of the frame that the official detector works in: the shorter side 479, the longer at most 480. Where
the released code has a fault our rule differs, and the option `official` brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reward.detection import Box, Detection, Wanted, write_detections
from reward.rules_geneval import intersection_over_union
from tasks.registry import unknown
from tasks.sample import Sample

if TYPE_CHECKING:
    from PIL.Image import Image

SHORTER, LONGER = 479, 480
LEAST = 0.5
"""Detections below this score do not count; a spatial score below it is nothing."""
NEAR = 150.0
"""Pixels of the frame within which two objects are next to each other."""
OVERLAP_2D, OVERLAP_3D, SAME = 0.1, 0.5, 0.9
"""Overlap that costs nothing in the plane, that is full in depth, and that makes two boxes one object."""
BESIDE = ("on side of", "next to", "near")
PEOPLE = dict.fromkeys(("man", "woman", "boy", "girl"), "person")
SYNONYMS = {**PEOPLE, "ship": "boat", "telivision": "tv", "goldfish": "fish", "painting": "picture"}
"""Names of the counting script, `telivision` as released; relations know people alone."""


def framed(image: Image) -> Image:
    """The picture in the detector's frame."""
    scale = min(SHORTER / min(image.size), LONGER / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height))


def centre(box: Box) -> tuple[float, float]:
    """The middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def position(relation: str, first: Box, second: Box, official: bool = False) -> float:
    """How well two boxes stand in a relation of the plane, 0 to 1; y grows downwards.

    The released code does not know `on top of` here, which prompts of `complex` say.
    """
    if relation == "on top of":
        return 0.0 if official else position("on the top of", first, second)
    (x_first, y_first), (x_second, y_second) = centre(first), centre(second)
    right, down = x_second - x_first, y_second - y_first
    wide, high = abs(right), abs(down)
    if relation in BESIDE:
        return 1.0 if wide < NEAR or high < NEAR else NEAR / max(wide, high)
    holds = {
        "on the right of": right < 0 and wide > high,
        "on the left of": right > 0 and wide > high,
        "on the bottom of": down < 0 and high > wide,
        "on the top of": down > 0 and high > wide,
    }[relation]
    overlap = intersection_over_union(first, second, extra=0.0)
    return 0.0 if not holds else 1.0 if overlap < OVERLAP_2D else OVERLAP_2D / overlap


def behind(relation: str, first: Detection, second: Detection, official: bool) -> float:
    """How well two boxes stand before or behind each other, 0 to 1; ValueError where the detector gave no depth."""
    if first.depth is None or second.depth is None:
        raise ValueError("the detector gave no depth, which 3d_spatial needs")
    nearer, farther = (first, second) if relation == "in front of" else (second, first)
    if not (nearer.depth or 0.0) > (farther.depth or 0.0):
        return 0.0
    overlap = intersection_over_union(first.box, second.box, extra=0.0)
    if official and overlap == OVERLAP_3D:
        return 0.0
    return min(overlap / OVERLAP_3D, 1.0)


def spatial(fact: Mapping[str, Any], found: Sequence[Detection], official: bool = False) -> float:
    """A quarter of each confidence and half the position; below .5 nothing, as for a prompt without two objects."""
    if len(fact["objects"]) != 2:
        return 0.0
    names = [PEOPLE.get(one, one) for one in fact["objects"]]
    pair = [next((one for one in found if PEOPLE.get(one.class_name, one.class_name) == name), None) for name in names]
    first, second = pair
    value = sum(0.25 * one.score for one in pair if one is not None)
    if first is not None and second is not None:
        value += 0.5 * position(fact["relation"], first.box, second.box, official)
    return value if value >= LEAST else 0.0


def spatial_3d(fact: Mapping[str, Any], found: Sequence[Detection], official: bool) -> float:
    """The same sum with depth in the place of direction, and nothing cut off; names are parts of detections' names."""
    first, second = (matching(found, name, fact["objects"], official) for name in fact["objects"])
    value = sum(0.25 * one.score for one in (first, second) if one is not None)
    if first is not None and second is not None:
        value += 0.5 * behind(fact["relation"], first, second, official)
    return value


def matching(found: Sequence[Detection], name: str, names: Sequence[str], official: bool) -> Detection | None:
    """The first detection of a name; by the released code the last one before both names have been found."""
    some = [place for place, one in enumerate(found) if name in one.class_name]
    if not some or not official:
        return found[some[0]] if some else None
    firsts = [next((place for place, one in enumerate(found) if other in one.class_name), None) for other in names]
    end = len(found) if None in firsts else max(place for place in firsts if place is not None)
    return found[[place for place in some if place <= end][-1]]


def apart(found: Sequence[Detection]) -> list[Detection]:
    """One of several boxes of a name that are the same object: they share, or one lies in the other, by over .9."""
    kept: list[Detection] = []
    for one in found:
        if not any(one.class_name == other.class_name and same(one.box, other.box) for other in kept):
            kept.append(one)
    return kept


def same(one: Box, other: Box) -> bool:
    """Whether two boxes are one object; areas count whole pixels."""
    shared = area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))
    parts = (shared / area(one), shared / area(other), intersection_over_union(one, other))
    return any(part > SAME for part in parts)


def area(box: Box) -> float:
    """Pixels of a box, both ends counted."""
    return max(box[2] - box[0] + 1.0, 0.0) * max(box[3] - box[1] + 1.0, 0.0)


def numeracy(fact: Mapping[str, Any], found: Sequence[Detection]) -> dict[str, float]:
    """Presence and number of each object; one that is nowhere is sought in longer names."""
    names = [SYNONYMS.get(one.class_name, one.class_name) for one in apart(found)]
    values: dict[str, float] = {}
    for place, (thing, wanted) in enumerate(zip(fact["objects"], fact["counts"], strict=True)):
        name = SYNONYMS.get(thing, thing)
        count = names.count(name) or sum(name in one for one in names)
        values |= {f"presence {place}": float(count > 0), f"number {place}": float(count == wanted)}
    return values


@dataclass(frozen=True, slots=True)
class CompBenchRules:
    """The rules of the detector reward; a sample's reference holds its objects, and their relation or counts."""

    official: bool = False

    def framed(self, image: Image) -> Image:
        """The picture as the detector is to see it."""
        return framed(image)

    def wanted(self, sample: Sample) -> Wanted:
        """The classes of the prompt, by the names that detectors know."""
        known = PEOPLE if sample.reference["kind"] == "spatial" else SYNONYMS
        deep = sample.reference["kind"] == "3d_spatial"
        names = [one if deep else known.get(one, one) for one in sample.reference["objects"]]
        parts = sample.reference["kind"] != "spatial"
        return Wanted(tuple(dict.fromkeys(names)), depth=deep, swapped=deep and self.official, parts=parts)

    def judge(self, sample: Sample, detections: Sequence[Detection]) -> dict[str, tuple[float, str]]:
        """The value of each question; the first one's answer is what was found."""
        fact, found = sample.reference, [one for one in detections if one.score >= LEAST]
        if fact["kind"] == "numeracy":
            values = numeracy(fact, found)
        elif fact["kind"] == "spatial":
            values = {"relation": spatial(fact, found, self.official)}
        else:
            values = {"relation": spatial_3d(fact, found, self.official)}
        told = [write_detections(found), *[""] * (len(values) - 1)]
        return {name: (value, answer) for (name, value), answer in zip(values.items(), told, strict=True)}

    def record(self) -> dict[str, Any]:
        """All that decides."""
        return {**asdict(self), "frame": [SHORTER, LONGER], "least": LEAST}


def read_rules(options: Mapping[str, Any]) -> CompBenchRules:
    """The rules, official or ours."""
    for name in options:
        if name != "official":
            raise ValueError(unknown("option of T2I-CompBench's rules", name, ["official"]))
    return CompBenchRules(bool(options.get("official", False)))
