"""Which transitions of a drawing are stochastic and trained: one choice for all members of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.key import key
from trainer.plan import Group

Schedule = Literal["random", "fixed", "progressive", "scattered"]
SCHEDULES: tuple[Schedule, ...] = ("random", "fixed", "progressive", "scattered")


@dataclass(frozen=True, slots=True)
class Window:
    """`size` transitions inside [low, high), placed by a schedule (method.md 5.4)."""

    size: int
    low: int
    high: int
    schedule: Schedule = "random"
    stride: int = 1
    """progressive: how far the window moves"""
    period: int = 25
    """progressive: after how many updates it moves"""

    def check(self, transitions: int) -> None:
        """ValueError for a window that leaves the grid or holds its last transition, which is drawn without noise."""
        if not 0 <= self.low < self.high <= transitions - 1:
            raise ValueError(
                f"the window range [{self.low}, {self.high}) does not lie in [0, {transitions - 1}): "
                f"{transitions} transitions are drawn, and the last of them carries no noise"
            )
        if not 1 <= self.size <= self.high - self.low:
            raise ValueError(f"a window of {self.size} transitions does not fit the range [{self.low}, {self.high})")

    def choose(self, group: Group) -> tuple[int, ...]:
        """The trained transitions of a group, in order."""
        if self.schedule == "scattered":
            # drawn without replacement: the lowest hashes win
            places = range(self.low, self.high)
            ranked = sorted(places, key=lambda place: key("scattered", group.window_hash(), place))
            return tuple(sorted(ranked[: self.size]))
        start = self.start(group)
        return tuple(range(start, start + self.size))

    def start(self, group: Group) -> int:
        """The first transition of a window without gaps."""
        if self.schedule == "fixed":
            return self.low
        if self.schedule == "progressive":
            return min(self.low + self.stride * (group.step // self.period), self.high - self.size)
        return self.low + group.window_hash() % (self.high - self.size - self.low + 1)
