"""A third party's verifier: says yes to a fixed share of questions and loses another share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """How often the verifier fails."""

    lost: float = 0.2


@dataclass(frozen=True, slots=True)
class Flaky:
    """Decides by a hash of picture and question, so that every run sees the same failures."""

    lost: float
    id: str = "flaky"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "flaky", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [self.answer(query) for query in queries]

    def answer(self, query: Query) -> Reply:
        digest = hashlib.sha256(query.images[0].tobytes() + query.text.encode()).digest()
        if digest[0] / 256 < self.lost:
            return Reply("timeout", error="no answer in time")
        yes = digest[1] / 255
        return Reply("ok", "yes" if yes >= 0.5 else "no", {"yes": yes, "no": 1.0 - yes})


def build(arguments: Arguments) -> Flaky:
    return Flaky(arguments.lost)
