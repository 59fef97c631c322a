"""Which prompts an update trains on, and every random choice in it, as pure functions of integers and names.

Nothing here is a generator's state: a run that resumes, or is split over other processes, makes the same choices
(method.md sections 1 and 9.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tasks.key import key

INITIAL = -1
"""The transition number under which an initial latent has its seed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Trajectories that share one condition: their prompt and the numbers that name the group."""

    seed: int
    step: int
    slot: int
    prompt: str
    attempt: int = 0

    def window_hash(self) -> int:
        """The number that decides the group's window."""
        return key("window", self.seed, self.step, self.slot, self.attempt)

    def noise_seed(self, member: int, transition: int, same_start: bool = False) -> int:
        """Seed of one member's noise in one transition; INITIAL for the latent it starts from.

        With `same_start` all members begin from one latent: method.md 1 leaves the member out of that hash.
        """
        name = ("noise", self.seed, self.step, self.slot, self.attempt)
        if same_start and transition == INITIAL:
            return key(*name, transition) % 2**63
        return key(*name, member, transition) % 2**63

    def text_seed(self, member: int, place: int) -> int:
        """Seed of the text that one member writes as the trajectory's step number `place`."""
        return key("text", self.seed, self.step, self.slot, self.attempt, member, place) % 2**63


@lru_cache(maxsize=4)
def order(prompts: tuple[str, ...], seed: int, epoch: int) -> tuple[str, ...]:
    """The prompt ids in the order of one pass through the data."""
    return tuple(sorted(prompts, key=lambda prompt: (key("order", seed, epoch, prompt), prompt)))


def plan_step(prompts: tuple[str, ...], seed: int, step: int, count: int) -> list[Group]:
    """The `count` groups of one update."""
    groups = []
    for slot in range(count):
        epoch, index = divmod(step * count + slot, len(prompts))
        groups.append(Group(seed, step, slot, order(prompts, seed, epoch)[index]))
    return groups


def refill(group: Group, prompts: Sequence[str]) -> Group:
    """The next attempt of a slot whose group taught nothing, with another prompt of the data."""
    attempt = group.attempt + 1
    chosen = key("refill", group.seed, group.step, group.slot, attempt) % len(prompts)
    return Group(group.seed, group.step, group.slot, prompts[chosen], attempt)


def share(count: int, rank: int, processes: int) -> list[int]:
    """Positions of a list of `count` that one process works on; all processes get equally many.

    Where they do not come out even, the first positions stand in for the missing ones, and `own` tells them apart.
    """
    rows = -(-count // processes)
    return [(rank * rows + row) % count for row in range(rows)]


def own(count: int, rank: int, processes: int) -> int:
    """How many of a process's share are its own; the rest are stand-ins that must not count."""
    rows = -(-count // processes)
    return max(0, min(rows, count - rank * rows))
