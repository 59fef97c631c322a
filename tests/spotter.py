"""A verifier for tests, by its dotted name: finds one dog in every picture, in the place of the reference detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward.detection import Detection, write_detections
from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """Whose place it takes."""

    stand_in: str = "owlv2"
    """A family of detectors; empty for the reference itself"""


class Finder:
    """Sees dogs."""

    def __init__(self, stand_in: str) -> None:
        self.id = f"finder {stand_in}"
        self.record: Mapping[str, Any] = {"name": "detector", "mode": "rule", "stand_in": stand_in}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [Reply("ok", write_detections([Detection("dog", (0, 0, 4, 4), 0.8)])) for _ in queries]


def build(arguments: Arguments) -> Finder:
    return Finder(arguments.stand_in)
