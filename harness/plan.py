"""What a run will make: every image of every sample with a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model import Cell
from tasks.key import seed_for
from tasks.registry import unknown
from tasks.sample import Sample
from tasks.task import Task


def choose(task: Task, limit: float | None, ids: Sequence[str]) -> tuple[Sample, ...]:
    """The samples named, or the first `limit` (a share of them when below 1); ValueError for names that are not."""
    samples = task.samples
    if ids:
        known = {sample.id: sample for sample in samples}
        for one in ids:
            if one not in known:
                raise ValueError(unknown(f"sample of {task.name}", one, known)[:400])
        return tuple(known[one] for one in dict.fromkeys(ids))
    if limit is None:
        return samples
    if not (0 < limit < 1 or (limit >= 1 and limit == int(min(limit, 1e9)))):
        raise ValueError(f"--limit must be a whole number of prompts, or a share of them below 1, not {limit}")
    return samples[: max(1, round(limit * len(samples))) if limit < 1 else int(limit)]


def make_plan(samples: Sequence[Sample], images: int, run_seed: int) -> tuple[Cell, ...]:
    """One cell an image, sample by sample."""
    return tuple(
        Cell(sample.id, index, seed_for(run_seed, sample.id, index), sample.request.prompt)
        for sample in samples
        for index in range(images)
    )


def share(plan: Sequence[Cell], rank: int, processes: int) -> tuple[Cell, ...]:
    """The cells of one process of several."""
    return tuple(plan[rank::processes])
