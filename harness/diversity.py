"""How far apart the pictures of a prompt lie: the mean distance of their pairs, as OneIG-Bench counts diversity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.headline import PER_PROMPT, Value, metric
from harness.stored_picture import stored_picture
from harness.stored_run import StoredRun
from harness.summary import planned_rows

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

SPAN = (0.0, 2.0)
"""A distance is 1 less the cosine."""
Vectors = Callable[[Sequence["Image"]], "torch.Tensor"]


def spread(vectors: torch.Tensor) -> float:
    """The mean over all pairs of 1 less their cosine, of unit vectors (pictures, width)."""
    count = len(vectors)
    cosines = vectors.double() @ vectors.double().T
    return 1.0 - float(cosines.sum() - cosines.diagonal().sum()) / (count * (count - 1))


def prompt_values(run: StoredRun, vectors: Vectors) -> list[Value]:
    """A value for every prompt; none for one with fewer than two pictures that can be read and are not all black."""
    names: dict[str, list[str]] = {}
    tags: dict[str, tuple[str, ...]] = {}
    for row in planned_rows(run.run, list(run.rows().values())):
        tags[row["sample"]] = tuple(row["tags"])
        names.setdefault(row["sample"], []).extend([row["image"]["sha256"]] if row["image"] else [])
    found = []
    for sample, some in names.items():
        pictures = [one for one in (stored_picture(run.path, name) for name in some) if one is not None]
        seen = [one for one in pictures if one.convert("RGB").getbbox() is not None]
        found.append(Value(sample, tags[sample], spread(vectors(seen)) if len(seen) > 1 else None))
    return found


def diversity(runs: Sequence[StoredRun], vectors: Vectors) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The figure of each run and that of all their prompts together; ValueError for runs of several models."""
    models = sorted({run.run["model"]["id"] for run in runs})
    if len(models) > 1:
        raise ValueError(f"the runs are of several models: {', '.join(models)}; name runs of one")
    every = [[Value(f"{place} {one.prompt}", one.tags, one.value) for one in prompt_values(run, vectors)]
             for place, run in enumerate(runs)]  # fmt: skip
    each = [metric("diversity", values, PER_PROMPT, SPAN) for values in every]
    return list(each), metric("diversity", [one for values in every for one in values], PER_PROMPT, SPAN)
