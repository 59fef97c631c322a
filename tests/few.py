"""A task of four short prompts, or of four edits of a plain picture, that takes no time to load."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

THINGS = {"train": ("tea", "a red cube", "two blue cones", "a lamp"), "evaluation": ("a green door",)}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which prompts."""

    split: str = "evaluation"
    edits: bool = False
    """Whether each prompt changes a picture."""
    side: int = 32


def load(arguments: Arguments) -> Task:
    sources = (Image.new("RGB", (arguments.side, arguments.side), (200, 60, 30)),) if arguments.edits else ()
    samples = tuple(
        Sample(
            f"few-{number}", Request(text, sources), tuple(Question(f"s{one}", f"{one}: {text}?") for one in range(6))
        )
        for number, text in enumerate(THINGS[arguments.split])
    )
    reward = RewardSpec(combine="mean", verifier="tests.oracle")
    return Task(name="few", version="1", split=arguments.split, samples=samples, reward=reward)
