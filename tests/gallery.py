"""A third party's small task: the first prompts of the embedded world, in a name of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load as load_scenes
from tasks.task import Task


@dataclass(frozen=True, slots=True)
class Arguments:
    """How much is asked."""

    count: int = 12
    images: int = 2
    version: str = "1"


def load(arguments: Arguments) -> Task:
    whole = load_scenes(ScenesArguments())
    samples = whole.samples[: arguments.count]
    return replace(whole, name="gallery", version=arguments.version, samples=samples, images=arguments.images)
