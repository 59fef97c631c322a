"""Checkpoints: whole or not there at all, checked by hash, exact to the last bit.

One folder under a temporary name; the manifest is written last, the folder renamed, then `latest` points to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.ending import SaveError
from harness.environment import version_of
from trainer.shards import placed

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is in one folder."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    """By the name of their file: weights, optimiser, ema, ..."""
    state: dict[str, Any]
    """Counters, histories, the identity of reward and configuration"""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file, once it was written"""


def save_checkpoint(out: Path, checkpoint: Checkpoint, keep: int, processes: int) -> Path:
    """Writes a checkpoint and drops the oldest beyond `keep`; SaveError if the disk will not have it."""
    final = out / f"step-{checkpoint.step:06d}"
    new = out / f".{final.name}.{os.getpid()}.new"
    try:
        for unfinished in out.glob(".step-*.new"):  # of processes that were killed while they saved
            shutil.rmtree(unfinished, ignore_errors=True)
        new.mkdir(parents=True)
        for name, tensors in checkpoint.tensors.items():
            if tensors:
                plain = {key: one.detach().cpu().contiguous() for key, one in tensors.items()}
                save_file(plain, new / f"{name}.safetensors")
        (new / "state.json").write_text(json.dumps(checkpoint.state, indent=1, sort_keys=True), encoding="utf-8")
        files = sorted(new.iterdir())
        manifest = {
            "schema": SCHEMA,
            "step": checkpoint.step,
            "files": {file.name: digest(file) for file in files},
            "versions": {name: version_of(name) for name in ("image-harness", "torch", "peft", "accelerate")},
            "processes": processes,
        }
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
        for file in [*files, new / MANIFEST, new]:
            sync(file)
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        pointer = out / ".latest.new"
        pointer.write_text(final.name, encoding="utf-8")
        sync(pointer)
        pointer.replace(out / "latest")
        sync(out)
    except OSError as error:
        raise SaveError(f"the checkpoint {final} cannot be written: {error.strerror}") from error
    for old in steps(out)[: -keep or None]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def sync(path: Path) -> None:
    """Forces a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def steps(out: Path) -> list[Path]:
    """Checkpoint folders that have a manifest, oldest first."""
    return sorted(path for path in out.glob("step-*") if (path / MANIFEST).is_file())


def find_checkpoint(out: Path) -> Path | None:
    """The newest checkpoint, or None; folders without a manifest were never finished."""
    found = steps(out)
    return found[-1] if found else None


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint whose every file is what was written; ValueError names one that is not."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        files: Mapping[str, str] = manifest["files"]
        schema = int(manifest["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path / MANIFEST} is missing or damaged, so the checkpoint cannot be trusted") from None
    if schema > SCHEMA:
        raise ValueError(f"{path} was written by a newer image-harness (schema {schema})")
    for name, wanted in files.items():
        if not (path / name).is_file() or digest(path / name) != wanted:
            raise ValueError(f"{path / name} is not what was saved: its SHA-256 differs from the manifest's")
    tensors = {name.removesuffix(".safetensors"): load_file(path / name) for name in files if name.endswith("rs")}
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    return Checkpoint(int(manifest["step"]), tensors, state, files)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors."""
    return {
        f"{number}.{name}": value
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts named tensors back into the optimiser, each split as its parameter is."""
    parameters = [one for group in optimiser.param_groups for one in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        moment = name != "step"  # the one number of a state that is not as large as its parameter
        state.setdefault(int(number), {})[name] = placed(value, parameters[int(number)]) if moment else value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
