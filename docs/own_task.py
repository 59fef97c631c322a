"""lights: are as many lights on as the prompt says, and in the colour it names?"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

COLOURS = ("red", "yellow", "green")
NUMBERS = ("one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Arguments:
    """How much is asked."""

    count: int = 3
    """Most lights in a prompt"""


def load(arguments: Arguments) -> Task:
    """A prompt for every colour and number; ValueError for more lights than there are words for."""
    if not 1 <= arguments.count <= len(NUMBERS):
        raise ValueError(f"count is a number from 1 to {len(NUMBERS)}, not {arguments.count}")
    samples = tuple(sample(colour, number) for colour in COLOURS for number in NUMBERS[: arguments.count])
    reward = RewardSpec(kind="questions", reading="share", combine="mean", verifier="pixels", options={"gating": "dsg"})
    return Task("lights", "1", "test", samples, reward, headline="mean of tags", images=2, licence="cc0-1.0")


def sample(colour: str, number: str) -> Sample:
    """The number is asked about only where there are lights at all."""
    circles = "circle" if number == "one" else "circles"
    there = Question("there", f"Is there a {colour} circle?")
    count = Question("count", f"Are there exactly {number} {colour} {circles}?", needs=("there",))
    return Sample(f"{colour}-{number}", Request(f"{number} {colour} {circles}"), (there, count), tags=(colour,))
