"""Samples whose pictures are nowhere: they fail by name, and a run in which all would fail does not begin."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from harness.picture import picture_name
from tasks.picture_file import absent
from tasks.sample import Failure, Sample
from tasks.task import Task

MOST_NAMED = 10
"""Pictures that are named in one sentence."""


def failure_of(sample: Sample) -> Failure | None:
    """Why a sample cannot be run, if a picture to edit or to judge by is nowhere."""
    names = absent((*sample.request.sources, *sample.pictures))
    return Failure("missing_image", f"no file for: {', '.join(names[:MOST_NAMED])}") if names else None


def name_of(picture: Image.Image) -> str:
    """A picture's name by its pixels; for one that is nowhere, the name its task knows it by."""
    names = absent([picture])
    return f"absent: {names[0]}" if names else picture_name(picture)


def check_pictures(task: Task, samples: Sequence[Sample]) -> None:
    """ValueError where a run would fail on every sample for want of its pictures."""
    if samples and all(failure_of(sample) is not None for sample in samples):
        told = next((one for one in task.findings if "images were not found" in one), "no picture of it was found")
        raise ValueError(f"task {task.name!r}: {told}")
