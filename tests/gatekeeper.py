"""A third party's verifier for gates: doubts prompts of even length, and may be lost on some or gone for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.verifier import Query, Reply, VerifierDown


@dataclass(frozen=True, slots=True)
class Arguments:
    """How it fails."""

    lost: str = ""
    """Questions with this word get no answer."""
    gone_after: int = 0
    """Questions after which it is gone."""


@dataclass(slots=True)
class Gatekeeper:
    """Decides by the length of what stands between `Is it ` and `?`, or `show ` and `?`."""

    arguments: Arguments
    asked: int = 0
    id: str = "gatekeeper"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "gatekeeper", "mode": "logprobs"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.asked += len(queries)
        if 0 < self.arguments.gone_after < self.asked:
            raise VerifierDown("the gatekeeper has left")
        return [self.answer(query.text) for query in queries]

    def answer(self, text: str) -> Reply:
        prompt = text.removeprefix("Is it ").removeprefix("Does this picture show ").partition("?")[0]
        if self.arguments.lost and self.arguments.lost in prompt.split():
            return Reply("timeout", error="no answer in time")
        yes = 0.2 if len(prompt) % 2 == 0 else 0.4
        return Reply("ok", "no", {"yes": yes, "no": 1.0 - yes})


def build(arguments: Arguments) -> Gatekeeper:
    return Gatekeeper(arguments)
