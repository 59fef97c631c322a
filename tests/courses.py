"""Short training runs of a model of a few thousand parameters, one after another in one process of a launch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from tests.test_train import make
from tests.test_trajectory import policy_of
from trainer.adapter import Low
from trainer.averages import needed
from trainer.checkpoint import find_checkpoint, optimiser_tensors, read_checkpoint
from trainer.policy_unified import UnifiedPolicy
from trainer.run import Run, restore
from trainer.shards import whole
from trainer.train import train
from trainer.train_config import TrainConfig


def half() -> UnifiedPolicy:
    """A policy that computes in bfloat16 with weights in bfloat16."""
    policy = policy_of()
    policy.bagel.to(torch.bfloat16)
    return policy


IMAGE, TEXT = TrainConfig().image, TrainConfig().text
WRITTEN = {"text": replace(TEXT, beta=0.1)}
ANCHORED = {"image": replace(IMAGE, beta=0.1)}
COURSES: dict[str, tuple[Callable[[], UnifiedPolicy], Mapping[str, Any]]] = {
    "whole": (policy_of, {}),
    "uneven": (policy_of, {"num_generations": 3, "per_device_train_batch_size": 1, **ANCHORED, "prompts_per_step": 1}),
    "anchored": (policy_of, {"max_grad_norm": 1e-3, **ANCHORED}),
    "slow": (policy_of, {"image": replace(IMAGE, loss="awm", beta_ema=0.1), "num_iterations": 2}),
    "thinking": (lambda: policy_of(think=True), {"think": True, "per_device_train_batch_size": 2, **WRITTEN}),
    "adapters": (lambda: policy_of(low=Low(4, 8)), {"lora_r": 4}),
    "half": (half, {"learning_rate": 1e-5}),
}
"""The policy and the settings of each run; of `uneven`, one process has a micro-batch more than the other."""


def begin(out: Path) -> Run:
    """A run of the course that a folder is named by; it goes on from the checkpoint that lies there."""
    policy, settings = COURSES[out.name]
    run = make(out, None, policy(), **{"max_steps": 4, "save_steps": 2, "learning_rate": 1e-4, **settings})
    if found := find_checkpoint(run.out / "checkpoints"):
        restore(run, read_checkpoint(found))
    return run


def held(tensors: Iterable[Tensor]) -> int:
    """Numbers of tensors that are in this process."""
    return sum(one.to_local().numel() if isinstance(one, DTensor) else one.numel() for one in tensors)


def account(run: Run) -> dict[str, int]:
    """How many numbers of each kind this process holds."""
    moments = [one for name, one in optimiser_tensors(run.optimiser).items() if not name.endswith("step")]
    masters, averages = run.masters, run.averages
    return {
        "parameters": held(masters.parameters.values()),
        "masters": 0 if masters.mesh is None else held(masters.tensors.values()),
        "moments": held(moments),
        "averages": held(one for weights in averages.named().values() for one in weights.values()),
        "base": held((run.policy.base or {}).values()),
    }


def published(run: Run) -> bool:
    """Whether the policy computes with its masters, in its own precision."""
    return all(
        torch.equal(one, whole(run.masters.tensors[name].detach()).to(one.dtype))
        for name, one in run.masters.parameters.items()
    )


def main(folders: list[Path]) -> None:
    """Runs the courses that the folders are named by; notes what this process holds at the end."""
    for out in folders:
        run = begin(out)
        train(run)
        note = {"held": account(run), "copies": len(needed(run.config)), "published": published(run)}
        (out / f"process-{run.launch.rank}.json").write_text(json.dumps(note))


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])
