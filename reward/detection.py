"""Detections: what a detector finds in a picture, how it is asked, and how its answer is written.

A detector is asked like every verifier: the query's text is a JSON object of the classes wanted, the reply's text a
JSON object of what was found. So detections are cached, served and replayed as answers are, and rules can change
without detecting anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

Box = tuple[float, float, float, float]
MOST = 10_000
"""Detections of one picture that are read at most."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: its class, its box (left, top, right, bottom in pixels), its score, and what was asked beside."""

    class_name: str
    box: Box
    score: float
    colour: str = ""
    depth: float | None = None
    """Mean depth inside the box, 0 far to 1 near."""


@dataclass(frozen=True, slots=True)
class Located:
    """One object as a detector gives it; `mask` (height, width) says which pixels are the object's, if it knows."""

    class_name: str
    box: Box
    score: float
    mask: np.ndarray[Any, np.dtype[np.bool_]] | None = None


class Detector(Protocol):
    """Finds objects; `stand_in` names it where it is not the detector that a benchmark's figures were made with."""

    id: str
    record: Mapping[str, Any]
    stand_in: str
    known: Sequence[str]
    """The classes it was taught; none for one that looks for whatever is named."""

    def detect(self, images: Sequence[Image], classes: Sequence[str]) -> list[list[Located]]:
        """What is found in each picture: the classes asked for and, where they come for nothing, others."""
        ...


class ColourReader(Protocol):
    """Names the colour of an object."""

    id: str

    def colours(self, image: Image, found: Sequence[Located]) -> list[str]:
        """A colour for each object."""
        ...


class DepthReader(Protocol):
    """Knows how near things are."""

    def depths(self, image: Image, boxes: Sequence[Box], swapped: bool) -> list[float]:
        """The mean in each box, 0 far to 1 near."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a detector is asked: classes, those whose colour is wanted as well, and whether depth is.

    `swapped` wants depth by the released code of T2I-CompBench, which takes x for y in the map of depths; `parts`
    wants classes whose names hold one of those named as well, such as `dining table` for `table`.
    """

    classes: tuple[str, ...]
    coloured: tuple[str, ...] = ()
    depth: bool = False
    swapped: bool = False
    parts: bool = False

    def text(self) -> str:
        """As a query's text."""
        asked: dict[str, Any] = {"detect": list(self.classes)}
        if self.coloured:
            asked["coloured"] = list(self.coloured)
        if self.depth:
            asked["depth"] = "swapped" if self.swapped else True
        if self.parts:
            asked["parts"] = True
        return json.dumps(asked)


def read_wanted(text: str) -> Wanted | None:
    """What a query asks a detector for; None for a text that asks something else."""
    try:
        asked = json.loads(text)
    except ValueError:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("detect"), list):
        return None
    coloured = asked.get("coloured", [])
    depth = asked.get("depth", False)
    named = tuple(map(str, asked["detect"])), tuple(map(str, coloured))
    return Wanted(*named, bool(depth), depth == "swapped", bool(asked.get("parts", False)))


def write_detections(found: Sequence[Detection], others: int = 0) -> str:
    """A reply's text; `others` counts what was found of classes that were not asked for."""
    rows = []
    for one in found:
        row: dict[str, Any] = {"class": one.class_name, "box": [round(side, 3) for side in one.box], "score": one.score}
        row |= {"colour": one.colour} if one.colour else {}
        row |= {"depth": one.depth} if one.depth is not None else {}
        rows.append(row)
    return json.dumps({"detections": rows, "others": others})


def read_detections(text: str) -> tuple[list[Detection], int]:
    """What a reply's text says was found, and how much of other classes; ValueError for any other text."""
    try:
        content = json.loads(text)
        rows, others = content["detections"], int(content.get("others", 0))
        if not isinstance(rows, list) or len(rows) > MOST:
            raise ValueError("no list of detections")
        return [_detection(row) for row in rows], others
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"the reply holds no detections: {error}") from None


def _detection(row: Mapping[str, Any]) -> Detection:
    left, top, right, bottom = (float(side) for side in row["box"])
    score, depth = float(row["score"]), row.get("depth")
    if not all(map(math.isfinite, (left, top, right, bottom, score))) or right < left or bottom < top:
        raise ValueError(f"the box {row['box']} with the score {score}")
    return Detection(
        str(row["class"]), (left, top, right, bottom), score, str(row.get("colour", "")),
        None if depth is None else float(depth),
    )  # fmt: skip
