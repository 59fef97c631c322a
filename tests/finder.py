"""A third party's detector: finds what it is asked for, for some pictures, red where a colour is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.detection import Detection, read_wanted, write_detections
from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """None."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Objects stand side by side; a picture whose first pixels are dark shows one less."""

    id: str = "finder"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "finder", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [self.answer(query) for query in queries]

    def answer(self, query: Query) -> Reply:
        wanted = read_wanted(query.text)
        assert wanted is not None
        names = wanted.classes[: len(wanted.classes) - sum(query.images[0].tobytes()) % 2]
        found = [
            Detection(name, (20.0 * place, 0, 20.0 * place + 9, 9), 0.95, "red" if name in wanted.coloured else "")
            for place, name in enumerate(names)
        ]
        return Reply("ok", write_detections(found))


def build(arguments: Arguments) -> Finder:
    return Finder()
