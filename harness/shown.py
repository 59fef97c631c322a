"""Samples whose pictures are nowhere: they fail by name, and a run in which all would fail does not begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from harness.picture import picture_name
from tasks.picture_file import absent
from tasks.sample import Failure, Sample
from tasks.task import Task

STAND_IN = Image.new("RGB", (8, 8), (128, 128, 128))
"""What stands for a picture that nobody will look at."""
MOST_NAMED = 10
"""Pictures that are named in one sentence."""


def failure_of(sample: Sample) -> Failure | None:
    """Why a sample cannot be run, if a picture to edit or to judge by is nowhere."""
    names = absent((*sample.request.sources, *sample.pictures))
    return Failure("missing_image", f"no file for: {', '.join(names[:MOST_NAMED])}") if names else None


def stood_in(sample: Sample) -> Sample:
    """The sample with grey squares for pictures that are nowhere, where answers are recorded and nobody looks."""

    def shown(pictures: Sequence[Image.Image]) -> tuple[Image.Image, ...]:
        return tuple(STAND_IN if absent([one]) else one for one in pictures)

    request = replace(sample.request, sources=shown(sample.request.sources))
    return replace(sample, request=request, pictures=shown(sample.pictures))


def name_of(picture: Image.Image) -> str:
    """A picture's name by its pixels; for one that is nowhere, the name its task knows it by."""
    names = absent([picture])
    return f"absent: {names[0]}" if names else picture_name(picture)


def check_pictures(task: Task, samples: Sequence[Sample]) -> None:
    """ValueError where a run would fail on every sample for want of its pictures."""
    if samples and all(failure_of(sample) is not None for sample in samples):
        told = next((one for one in task.findings if "images were not found" in one), "no picture of it was found")
        raise ValueError(f"task {task.name!r}: {told}")
