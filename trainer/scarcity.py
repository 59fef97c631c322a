"""Out of memory in one sentence: what was asked at once, what it takes by arithmetic, and what to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from harness.model_diffusers import out_of_memory
from trainer.memory import memory_lines
from trainer.train_config import TrainConfig

Stage = Literal["rollout", "update"]
LOWER: dict[Stage, tuple[str, ...]] = {
    "rollout": ("rollout_batch_size",),
    "update": ("per_device_train_batch_size", "sampler.window_size"),
}
"""What each stage holds more of than it needs."""


@contextmanager
def told_scarcity(config: TrainConfig, stage: Stage) -> Iterator[None]:
    """Turns an out-of-memory error of a stage into a ValueError that says what would do; others pass through."""
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise ValueError(sentence(config, stage)) from error


def sentence(config: TrainConfig, stage: Stage) -> str:
    """What ran out, the estimate where there is one, and the settings that lower it with their values now."""
    values = {"rollout_batch_size": config.rollout_batch_size, "sampler.window_size": config.sampler.window_size,
              "per_device_train_batch_size": config.per_device_train_batch_size}  # fmt: skip
    lower = " or ".join(f"{name} (now {values[name]})" for name in LOWER[stage])
    more = [] if config.bf16 else ["bf16: true"]
    more += ["gradient_checkpointing: true"] if stage == "update" and not config.gradient_checkpointing else []
    wanted = "rollout" if stage == "rollout" else "training step"
    sizes = [size for name, size in memory_lines(config) if name == f"memory of a {wanted}"]
    estimate = f", which takes about {sizes[0]} by arithmetic" if sizes else ""
    return f"out of memory in a {wanted}{estimate}; try a smaller {lower}" + "".join(f", {one}" for one in more)
