"""A training run: everything it holds, its state on disk, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.assemble import Job
from harness.identity import hash_of
from trainer.averages import Averages
from trainer.checkpoint import Checkpoint, load_optimiser, optimiser_tensors, save_checkpoint
from trainer.collect import Ground
from trainer.launch import Launch
from trainer.log import Log
from trainer.masters import Masters
from trainer.policy import Policy
from trainer.recipe import resolved
from trainer.shards import collected, write
from trainer.train_config import TrainConfig

FREE = ("max_steps", "output_dir", "save_steps", "save_total_limit", "eval_steps", "sample_steps", "parity_steps",
        "report_to", "held_out", "device", "max_unscored", "max_nan_steps")  # fmt: skip
"""Keys that may change between a run and its resume: none of them changes an update."""


@dataclass(slots=True)
class Progress:
    """What changes from update to update beside tensors; all of it is in a checkpoint."""

    step: int = 0
    """Updates begun"""
    nan_steps: int = 0
    """Updates in a row without a finite gradient"""
    skipped: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """Of each held-out evaluation: step, reward, held_out"""
    recent: list[float] = field(default_factory=list)
    """Rewards of the updates since the last evaluation"""


@dataclass(frozen=True, slots=True)
class Run:
    """One process of a training run."""

    config: TrainConfig
    ground: Ground
    masters: Masters
    held_out: Job | None
    optimiser: torch.optim.Optimizer
    averages: Averages
    log: Log
    progress: Progress
    out: Path
    origin: Mapping[str, Any] = field(default_factory=dict)
    """trained_on and reward_verifier; prompt_overlap and self_verified where there is a held-out evaluation"""

    @property
    def policy(self) -> Policy:
        """What is trained."""
        return self.ground.policy

    @property
    def launch(self) -> Launch:
        """The processes."""
        return self.ground.launch


def identity(config: TrainConfig, reward_id: str, model_id: str) -> dict[str, Any]:
    """What a resumed run must share with the run that wrote a checkpoint."""
    kept = {name: value for name, value in resolved(config).items() if name not in FREE}
    return {"config": kept, "config_hash": hash_of(kept), "reward": reward_id, "model": model_id}


def save(run: Run) -> None:
    """Writes a checkpoint of all that the next update depends on; what is split is gathered, so any launch opens it."""
    run.launch.wait()
    first, progress = run.launch.first, run.progress
    parts = {"weights": run.masters.tensors, "optimiser": optimiser_tensors(run.optimiser), **run.averages.named()}
    tensors: dict[str, dict[str, Tensor]] = {name: collected(part, first) for name, part in parts.items()}
    if first:
        state = {
            "progress": {name: getattr(progress, name) for name in Progress.__slots__},
            "identity": identity(run.config, run.ground.reward.id, run.policy.id),
            "version": run.policy.version,
            "resolved": resolved(run.config),
            "origin": dict(run.origin),
        }
        tensors["generator"] = {"cpu": torch.get_rng_state()}
        where = run.out / "checkpoints"
        save_checkpoint(
            where, Checkpoint(progress.step, tensors, state), run.config.save_total_limit, run.launch.processes
        )
    run.launch.wait()


def restore(run: Run, checkpoint: Checkpoint) -> None:
    """Puts a checkpoint back; ValueError names what differs from the run that wrote it."""
    check_identity(checkpoint.state["identity"], identity(run.config, run.ground.reward.id, run.policy.id))
    write(run.masters.tensors, checkpoint.tensors["weights"])
    run.masters.publish()
    load_optimiser(run.optimiser, checkpoint.tensors.get("optimiser", {}))
    for name, weights in run.averages.named().items():
        write(weights, checkpoint.tensors.get(name, {}))
    torch.set_rng_state(checkpoint.tensors["generator"]["cpu"])
    for name, value in checkpoint.state["progress"].items():
        setattr(run.progress, name, value)
    run.policy.version = int(checkpoint.state["version"])
    run.log.cut(run.progress.step)


def check_identity(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """ValueError names the first difference between two runs."""
    for name, told in (("reward", "reward id"), ("model", "model")):
        if found[name] != wanted[name]:
            raise ValueError(
                f"the checkpoint has the {told} {found[name]!r}, this run {wanted[name]!r}; nothing was resumed"
            )
    if found["config_hash"] != wanted["config_hash"]:
        names = [name for name, value in wanted["config"].items() if found["config"].get(name) != value]
        raise ValueError(
            f"the checkpoint was written with other settings ({', '.join(names)}); "
            "choose another output_dir or take the settings back, nothing was resumed"
        )
