"""t2i-compbench-actions: T2I-CompBench++ non_spatial, what people and things do with each other, by CLIP's cosine.

No figure of it is published with a source that can be checked, so there is no golden row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.compbench import CITATION, IMAGES, ORIGIN, read_prompts
from tasks.data import hashes, version_of
from tasks.sample import YES, Question, Request, Sample
from tasks.task import RewardSpec, Task

CARD = Card(
    title="T2I-CompBench++ non_spatial",
    kind="questions",
    reading="cosine",
    combining="single value",
    headline="mean",
    judge="CLIP ViT-B/32",
    prompts=300,
    images=IMAGES,
    calls=3000,
    origin=ORIGIN,
)


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the data are."""

    data: Path | None = None
    """Folder of the data file."""
    any_version: bool = False
    """Whether a file with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    file, prompts = read_prompts("non_spatial", arguments.data, arguments.any_version)
    samples = tuple(
        Sample(f"{place:06d}", Request(prompt), (Question("likeness", prompt, YES),))
        for place, prompt in enumerate(prompts)
    )
    reward = RewardSpec(reading="cosine", combine="pooled", verifier="clip", options={"min_answered": 1.0})
    return Task(
        name="t2i-compbench-non_spatial",
        version=version_of("1", [file]),
        split="val",
        samples=samples,
        reward=reward,
        images=CARD.images,
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes([file]),
    )
