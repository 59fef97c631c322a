"""What trained numbers take in the memory of one process, by their count alone."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.averages import needed
from trainer.train_config import TrainConfig

FLOAT = 4
"""Bytes of a number in float32."""
MOMENTS = 2
"""Of AdamW."""


def trained_bytes(config: TrainConfig, parts: Sequence[int], width: int, processes: int | None) -> tuple[int, int]:
    """Bytes of the trained numbers of each expert, in one process: between steps, and in a step.

    Whole, they are float32 masters, two moments and slow copies, and in a step gradients. Split, a process has its
    part of these beside the numbers that compute, of `width` bytes, and one expert's gradient of one micro-batch.
    """
    count = sum(parts)
    between = FLOAT * (1 + MOMENTS + len(needed(config))) * count
    if processes is None:
        return between, between + FLOAT * count
    return width * count + between // processes, width * (count + max(parts)) + (between + FLOAT * count) // processes
