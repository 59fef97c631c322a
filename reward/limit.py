"""How much may be in flight and how soon: a limit that adapts, a bucket of tokens, and a breaker.

None of them knows a thread: whoever owns them holds a lock and passes the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HISTORY = 1000
"""Changes of a limit that are remembered."""
LOSSES, REST, OPENINGS = 10, 30.0, 3
"""Queries lost in a row that open a breaker, seconds it rests, openings in a row that end the run."""


@dataclass(slots=True)
class Limit:
    """Calls that may be in flight: one more after a full window of successes, half as many under strain."""

    ceiling: int
    now: int
    successes: int = 0
    cut_at: float = float("-inf")
    history: list[tuple[float, int]] = field(default_factory=list)

    def succeeded(self, at: float) -> None:
        """A call came back well."""
        self.successes += 1
        if self.successes >= self.now and self.now < self.ceiling:
            self._set(self.now + 1, at)

    def strained(self, started: float, at: float) -> None:
        """The server had too much; calls that were in flight when the limit was last cut do not cut it again."""
        if started >= self.cut_at:
            self.cut_at = at
            self._set(max(1, self.now // 2), at)

    def _set(self, value: int, at: float) -> None:
        self.now, self.successes = value, 0
        if len(self.history) < HISTORY:
            self.history.append((at, value))


@dataclass(slots=True)
class Bucket:
    """Calls a second: a token drops in every 1/rate seconds, and at most a second's worth is kept."""

    rate: float
    filled_at: float
    tokens: float = 1.0

    def take(self, at: float) -> float:
        """Takes a token, borrowed if need be; the seconds to wait for it."""
        self.tokens = min(max(1.0, self.rate), self.tokens + (at - self.filled_at) * self.rate) - 1.0
        self.filled_at = at
        return max(0.0, -self.tokens / self.rate)


@dataclass(slots=True)
class Breaker:
    """Stops asking a server that answers nobody; `dead` says why it will never be asked again."""

    losses: int = 0
    openings: int = 0
    until: float | None = None
    dead: str = ""

    def allows(self, at: float, in_flight: int) -> bool:
        """Whether a call may go out: after a rest only one, to see."""
        if self.dead:
            return False
        return self.until is None or (at >= self.until and in_flight == 0)

    def answered(self) -> None:
        """The server is there."""
        self.losses = self.openings = 0
        self.until = None

    def lost(self, at: float, why: str) -> None:
        """A query has used up its tries; what was in flight when the breaker opened does not open it again."""
        if self.until is not None and at < self.until:
            return
        self.losses += 1
        if self.until is None and self.losses < LOSSES:
            return
        self.losses, self.openings = 0, self.openings + 1
        self.until = at + REST
        if self.openings >= OPENINGS:
            self.dead = why
