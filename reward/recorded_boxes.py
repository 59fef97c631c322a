"""Detections taken back from a record of what was kept of them: GenEval's results, and the clauses in our verdicts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reward.detection import Detection, write_detections

Boxes = Mapping[str, Sequence[Sequence[float]]]
"""Boxes (left, top, right, bottom, score) of each class, best first"""
COLOURED = re.compile(r"expected (?P<wanted>\w+) (?P<name>.+)>=\d+, found \d+ \w+; and (?P<told>.*)")
COUNTED = re.compile(r"(\d+) (\w+)")


def written(boxes: Boxes, colours: Mapping[str, Sequence[str]]) -> str:
    """Detections as a detector's reply. Of equal scores the later one ranks first, so the last is written first."""
    found = []
    for name, some in boxes.items():
        named = [*colours.get(name, ())][: len(some)]
        named += [""] * (len(some) - len(named))
        for (left, top, right, bottom, score), colour in reversed(list(zip(some, named, strict=True))):
            found.append(Detection(name, (left, top, right, bottom), score, colour))
    return write_detections(found)


def boxes_of_row(place: str, row: Mapping[str, Any]) -> str:
    """A line of GenEval's results as a detector's reply; ValueError where it holds no boxes."""
    try:
        boxes: Boxes = json.loads(row["details"]) if isinstance(row["details"], str) else row["details"]
        metadata = json.loads(row["metadata"]) if isinstance(row["metadata"], str) else row["metadata"]
        return written(boxes, colours_of(metadata["include"], boxes, str(row.get("reason", ""))))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{place} holds no detections of GenEval: {error}") from None


def colours_of(asked: Iterable[Mapping[str, Any]], boxes: Boxes, reason: str) -> dict[str, list[str]]:
    """The colours of the first boxes of each class, from the reasons: where none is told, all were as asked for."""
    told = {
        (match["name"], match["wanted"]): [
            colour for number, colour in COUNTED.findall(match["told"]) for _ in range(int(number))
        ]
        for line in reason.splitlines()
        if (match := COLOURED.fullmatch(line))
    }
    found: dict[str, list[str]] = {}
    for one in asked:
        if "color" in one and len(boxes.get(one["class"], ())) >= one["count"]:
            found[one["class"]] = told.get((one["class"], one["color"]), [one["color"]] * one["count"])
    return found


def boxes_of_clauses(answers: Mapping[str, str]) -> str | None:
    """The clauses of one picture, by their ids, as a detector's reply; None where they do not tell what was found."""
    whole = next((one for one in answers.values() if one.startswith('{"detections"')), None)
    if whole is not None or not any(clause.startswith(("count ", "not ")) for clause in answers):
        return whole
    boxes: dict[str, Any] = {}
    colours: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for clause, answer in answers.items():
        kind, _, place = clause.partition(" ")
        if kind in ("count", "not"):
            held = json.loads(answer)
            boxes |= held
            if kind == "count":
                names[place] = next(iter(held))
    for clause, answer in answers.items():
        kind, _, place = clause.partition(" ")
        if kind == "colour" and answer and place in names:
            colours[names[place]] = answer.split(", ")
    return written(boxes, colours)
