"""What a run remembers: a row an image, a row a verdict, and the record of the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reward.verdict import Score, Verdict
from tasks.sample import Status

SCHEMA_VERSION = 1
SCORED = "scored"
"""Folder inside a run folder that holds its later judgements, each a run folder named by the id of its reward."""
Key = tuple[str, int]
"""Sample id and image index."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image (harness.md 3.3)."""

    sample: str
    index: int
    seed: int
    status: Status
    error: Mapping[str, str] | None
    prompt: str
    sources: tuple[str, ...]
    image: Mapping[str, Any] | None
    thought: str
    drafts: tuple[Mapping[str, Any], ...]
    score: float | None
    parts: Mapping[str, float | None]
    tags: tuple[str, ...]
    guards: Mapping[str, Any]
    seconds: float
    time: str
    refinement: Mapping[str, Any] | None = None
    cached: bool = False
    image_key: str | None = None
    tokens: tuple[int, int] = (0, 0)
    """Sent and drawn, as a server counts them"""


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One verdict (harness.md 3.4)."""

    sample: str
    index: int
    question: str
    group: str
    status: Status
    value: float | None
    answer: str
    probabilities: Mapping[str, float] | None
    error: str | None
    reply_key: str | None
    served: str | None
    cached: bool
    latency_ms: float
    tries: int
    tokens: tuple[int, int]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """run.json and results.json of one run."""

    run: Mapping[str, Any]
    results: Mapping[str, Any] = field(default_factory=dict)


def verdict_rows(key: Key, groups: Mapping[str, str], score: Score) -> list[VerdictRow]:
    """The rows of an image's verdicts; `groups` maps question ids to their groups."""
    return [_verdict_row(key, groups[verdict.question], verdict) for verdict in score.verdicts]


def _verdict_row(key: Key, group: str, verdict: Verdict) -> VerdictRow:
    reply = verdict.reply
    return VerdictRow(
        sample=key[0],
        index=key[1],
        question=verdict.question,
        group=group,
        status=verdict.status,
        value=verdict.value,
        answer=verdict.answer,
        probabilities=dict(reply.probabilities) if reply and reply.probabilities else None,
        error=verdict.error or None,
        reply_key=(reply.key or None) if reply else None,
        served=(reply.served or None) if reply else None,
        cached=bool(reply and reply.cached),
        latency_ms=round(1000 * reply.seconds, 3) if reply else 0.0,
        tries=reply.tries if reply else 0,
        tokens=(reply.tokens_in, reply.tokens_out) if reply else (0, 0),
    )
