"""A third party's verifier with a bug: it answers nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """The verifier has no arguments."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Breaks the contract of one reply a query."""

    id: str = "mute"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "mute", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [Reply("ok") for _ in queries[:0]]


def build(_: Arguments) -> Mute:
    return Mute()
