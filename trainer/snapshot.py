"""The state of a pretraining run on disk: weights, their average, the optimisers, and what ships.

Everything is safetensors; `latest.json` is replaced last, so a run that dies while saving goes on from the save before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from harness.bagel.model import Bagel
from harness.bagel.tokenizer import TextCoder


class Average:
    """Exponential moving average of the weights, which is what ships."""

    def __init__(self, model: Bagel, decay: float = 0.995) -> None:
        self.decay = decay
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: Bagel, step: int) -> None:
        """One step of decay, warmed up so that early weights are forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            self.weights[name].lerp_(tensor, 1.0 - decay)


def state_tensors(steppers: list[Optimizer]) -> dict[str, Tensor]:
    """The optimisers' tensors by name: which optimiser, which parameter, which state."""
    found = {}
    for number, stepper in enumerate(steppers):
        for parameter, state in stepper.state_dict()["state"].items():
            for name, tensor in state.items():
                found[f"{number}.{parameter}.{name}"] = tensor.contiguous()
    return found


def save(
    out: Path, step: int, model: Bagel, average: Average, steppers: list[Optimizer], config: Mapping[str, Any]
) -> None:
    """Writes weights, their average and the optimisers' state, then the step that names them, atomically."""
    parts = {"model": model.state_dict(), "average": average.weights, "optimisers": state_tensors(steppers)}
    for name, tensors in parts.items():
        save_file(tensors, out / f"{name}.{step}.safetensors")
    note = {"step": step, "config": {key: str(value) for key, value in config.items()}}
    (out / "latest.json.new").write_text(json.dumps(note, indent=1))
    (out / "latest.json.new").replace(out / "latest.json")
    for old in out.glob("*.safetensors"):
        if old.name.split(".")[1] != str(step):
            old.unlink()


def restore(out: Path, model: Bagel, average: Average, steppers: list[Optimizer]) -> int:
    """Loads the latest checkpoint of a folder, if there is one, and gives the step to go on with."""
    if not (out / "latest.json").exists():
        return 0
    step = int(json.loads((out / "latest.json").read_text())["step"])
    model.load_state_dict(load_file(out / f"model.{step}.safetensors"))
    average.weights = load_file(out / f"average.{step}.safetensors")
    tensors = load_file(out / f"optimisers.{step}.safetensors")
    for number, stepper in enumerate(steppers):
        whole = stepper.state_dict()
        whole["state"] = {}
        for name, tensor in tensors.items():
            owner, parameter, key = name.split(".")
            if int(owner) == number:
                whole["state"].setdefault(int(parameter), {})[key] = tensor
        stepper.load_state_dict(whole)
    return step


def export(out: Path, folder: Path, coder: TextCoder, model: Bagel, average: Average) -> None:
    """Writes what ships: averaged weights in half precision, the architecture, the words, and how they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    fixed = {name for name in average.weights if name.endswith("pos_embed")}
    weights = {name: tensor.to(torch.float16) for name, tensor in average.weights.items() if name not in fixed}
    weights |= {name: average.weights[name] for name in fixed}
    save_file(weights, folder / "ema.safetensors")
    (folder / "ema.safetensors").chmod(0o644)
    config = model.config
    shape = {
        "latent_patch_size": config.latent_patch_size,
        "max_latent_size": config.max_latent_size,
        "prediction": config.prediction,
        "visual_gen": True,
        "visual_und": config.vit is not None,
    }
    parts = {"config": shape, "llm_config": asdict(config.language)}
    if config.vit is not None:
        parts["vit_config"] = asdict(config.vit)
    for name, content in parts.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    coder.tokenizer.save(str(folder / "tokenizer.json"))
    note = json.loads((out / "latest.json").read_text())
    (folder / "training.json").write_text(json.dumps(note, indent=1, sort_keys=True) + "\n")
