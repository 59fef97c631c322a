"""Pictures without a judgement: what stands in for verifier and reward when nobody judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reward.questions import skipped
from reward.verdict import Score
from reward.verifier import Query, Reply
from tasks.sample import Generation

REASON = "not scored: --predict-only"
UNSCORED = "unscored"
"""The reward id of a run that asked nobody."""


class Nobody:
    """A verifier that leaves every question unanswered, so that none has to be reached."""

    def __init__(self) -> None:
        self.id = "nobody"
        self.record: Mapping[str, Any] = {"name": "nobody"}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """No answers."""
        return [Reply("skipped", error=REASON, tries=0) for _ in queries]


class Unscored:
    """A reward that gives no picture a value and says why; a later run scores the pictures as they lie."""

    def __init__(self, reason: str = REASON) -> None:
        self.reason = reason
        self.id = UNSCORED
        self.record: Mapping[str, Any] = {"id": UNSCORED, "kind": "none"}
        self.range = (0.0, 1.0)

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """No value for any; a generation that failed keeps its own reason."""
        return [self._left(one) for one in generations]

    def _left(self, generation: Generation) -> Score:
        failure = generation.error
        status, reason = (failure.status, failure.message) if failure else ("skipped", self.reason)
        return Score(None, tuple(skipped(one, reason) for one in generation.sample.questions), {}, status, reason)
