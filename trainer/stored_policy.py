"""A policy as a checkpoint has it: the model of the run's own configuration, with the weights that were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainer.build import build_policy
from trainer.checkpoint import MANIFEST, read_checkpoint, steps
from trainer.policy import Policy
from trainer.recipe import build_config
from trainer.shards import write
from trainer.train_config import TrainConfig


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """What a checkpoint holds, ready to draw."""

    policy: Policy
    config: TrainConfig
    reward_id: str
    step: int
    folder: Path
    """Of the checkpoint"""
    average: bool
    """Whether these are the averaged weights"""
    digest: str
    """SHA-256 of the trained weights"""
    origin: Mapping[str, Any]
    """trained_on, reward_verifier and more of the training; empty in checkpoints of earlier versions"""

    @property
    def name(self) -> str:
        """`tiny@1f2e3d4c5b6a+120.9a8b7c6d`: base, updates, weights."""
        return f"{self.policy.id}+{self.step}{'ema' if self.average else ''}.{self.digest[:8]}"


def split_step(text: str) -> tuple[Path, int | None]:
    """A folder and the update named behind its last @, or None for the newest."""
    folder, sign, step = text.rpartition("@")
    return (Path(folder), int(step)) if sign and step.isdigit() else (Path(text), None)


def find_step(run: Path, step: int | None) -> Path:
    """The folder of a whole checkpoint; ValueError says which there are."""
    found = {int(path.name.removeprefix("step-")): path for path in steps(run / "checkpoints")}
    if not run.is_dir():
        raise ValueError(f"there is no folder {run}")
    if not found:
        begun = sorted(path.name for path in (run / "checkpoints").glob("*step-*"))
        told = f" (of {begun[-1]} there is a part, without {MANIFEST})" if begun else ""
        raise ValueError(f"{run} holds no finished checkpoint of harness train{told}")
    if step is not None and step not in found:
        raise ValueError(f"{run} has no checkpoint of update {step}; it has {', '.join(str(one) for one in found)}")
    return found[max(found) if step is None else step]


def open_policy(
    run: Path, step: int | None, average: bool = False, device: str = "cpu", over: Mapping[str, Any] | None = None
) -> StoredPolicy:
    """The policy of a checkpoint; `over` are arguments of its model that take the place of the run's.

    ValueError names what is missing, damaged, or not what the run was trained on.
    """
    folder = find_step(run, step)
    checkpoint = read_checkpoint(folder)
    identity, file = checkpoint.state["identity"], "ema" if average else "weights"
    config: TrainConfig = build_config(TrainConfig, checkpoint.state["resolved"], str(folder))
    if average and not checkpoint.tensors.get("ema"):
        raise ValueError(f"{folder} keeps no averaged weights (ema_decay {config.ema_decay:g}); leave out use_ema")
    config = replace(config, device=device, model_args={**config.model_args, **(over or {})})
    policy = build_policy(config)
    base = str(policy.record["weights_digest"])[:12]
    if base not in identity["model"]:
        raise ValueError(f"{folder} was trained on {identity['model']}, and the weights found now are {base}")
    wanted, found = set(policy.parameters()), set(checkpoint.tensors[file])
    if wanted != found:
        name = min(wanted ^ found)
        raise ValueError(f"{folder / file}.safetensors does not fit {policy.id}: {name} is on one side alone")
    write(policy.parameters(), checkpoint.tensors[file])
    digest = checkpoint.files[f"{file}.safetensors"]
    origin = checkpoint.state.get("origin", {})
    return StoredPolicy(policy, config, identity["reward"], checkpoint.step, folder, average, digest, origin)
