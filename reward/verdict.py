"""What judging yields: a verdict for each question, a score for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reward.verifier import Reply
from tasks.sample import Status


def _check(kind: str, value: float | None, status: Status) -> None:
    if (value is None) == (status == "ok"):
        raise ValueError(f"a {kind} has a value exactly when its status is 'ok', not {value!r} with {status!r}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question; `value` is None when there is no usable answer, and `error` says why."""

    question: str
    value: float | None
    answer: str = ""
    status: Status = "ok"
    error: str = ""
    reply: Reply | None = None
    """The verifier's reply as it came; None for a question that was not asked."""

    def __post_init__(self) -> None:
        _check("verdict", self.value, self.status)


@dataclass(frozen=True, slots=True)
class Score:
    """The judgement of one image; `parts` names the figures the value was made of."""

    value: float | None
    verdicts: tuple[Verdict, ...] = ()
    parts: Mapping[str, float | None] = field(default_factory=dict)
    status: Status = "ok"
    error: str = ""

    def __post_init__(self) -> None:
        _check("score", self.value, self.status)
