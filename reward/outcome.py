"""What came back from one try of one call, and what follows from it (harness.md 5.5)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from reward.secret import redact
from reward.verifier import Reply
from tasks.sample import Status

TOLD = 300
"""Characters of a refusal's body that are told."""
STRAINED, FREE = (429, 503, 529), (429, 503, 529)
"""The server has too much, so the limit is cut; such an answer uses up time but no try."""
AGAIN = (408, 409, 425, 500, 502, 503, 504, 529)
POLICIES = ("content_policy_violation", "content_filter", "content_policy", "moderation_blocked")
"""Codes of a 400 that is a refusal."""


class Unreadable(ValueError):
    """A 200 whose body is no answer of this protocol: cut short, no JSON, an HTML page."""


class TryTimedOut(Exception):
    """No whole answer in the time of one try."""


class ConnectionLost(Exception):
    """The server cannot be reached, or hung up; `unknown` when its name is unknown."""

    def __init__(self, message: str, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, wholly read."""

    status: int
    headers: Mapping[str, str] | Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try: replies, or the failure that stands if no further try is made."""

    replies: Sequence[Reply] = ()
    status: Status = "ok"
    message: str = ""
    again: bool = False
    free: bool = False
    """Uses up time but no try."""
    strain: bool = False
    """Halves the concurrency."""
    wait: float = 0.0
    """Least pause before the next try, in seconds."""
    fatal: bool = False
    """This server will answer nobody."""
    lost: bool = False
    """Counts for the breaker."""
    unknown: bool = False
    """The server's name is unknown."""
    code: int = 0
    """HTTP status, if there was one."""


def of_answer(answer: Answer, now: datetime) -> Outcome:
    """The outcome of an answer that is not 200."""
    code, text = answer.status, redact(answer.body[: 4 * TOLD].decode("utf-8", "replace"))
    message = f"HTTP {code}: {' '.join(text.split())[:TOLD]}"
    kind = error_code(answer.body)
    if code in (401, 403) or (code == 429 and kind == "insufficient_quota"):
        return Outcome(status="transport_error", message=message, fatal=True, code=code)
    if code == 429:
        wait = retry_after(answer.headers, now)
        return Outcome((), "transport_error", message, again=True, free=True, strain=True, wait=wait, code=code)
    if code in AGAIN:
        status: Status = "timeout" if code == 408 else "transport_error"
        strain = code == 408 or code in STRAINED
        wait = retry_after(answer.headers, now) if code in STRAINED else 0.0
        return Outcome((), status, message, True, code in FREE, strain, wait, lost=True, code=code)
    if code == 400 and kind in POLICIES:
        return Outcome(status="refused", message=message, code=code)
    return Outcome(status="transport_error", message=message, code=code)


def of_failure(failure: TryTimedOut | ConnectionLost | Unreadable) -> Outcome:
    """The outcome of a try that brought no answer that can be read."""
    message = redact(str(failure))[:TOLD]
    if isinstance(failure, TryTimedOut):
        return Outcome(status="timeout", message=message, again=True, strain=True, lost=True)
    unknown = isinstance(failure, ConnectionLost) and failure.unknown
    return Outcome(status="transport_error", message=message, again=True, lost=True, unknown=unknown)


def error_code(body: bytes) -> str:
    """The machine-readable code, or else type, of an error's JSON."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = content.get("error", content) if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return ""
    return next((one for one in (error.get("code"), error.get("type")) if isinstance(one, str)), "")


def retry_after(headers: Mapping[str, str] | Message, now: datetime) -> float:
    """Seconds that Retry-After asks for, as a number or as a date; 0 without one that can be read."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return seconds if 0.0 < seconds < float("inf") else 0.0
