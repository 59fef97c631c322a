"""LoRA files on a pipeline: loaded, checked against the model they are for, weighted, identified."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from harness.bagel.checkpoint import digest
from harness.extra import extra, first_line


def add_loras(pipeline: Any, files: Sequence[Path], scales: Sequence[float]) -> str | None:
    """Loads the files, each with its scale, and gives their digest; ValueError for one that is for another model."""
    if not files:
        return None
    if len(scales) not in (1, len(files)):
        raise ValueError(f"lora_scale= has {len(scales)} numbers for {len(files)} files; give one for each, or one")
    extra("peft", "train")
    names = [f"lora{number}" for number in range(len(files))]
    for name, file in zip(names, files, strict=True):
        add_lora(pipeline, file, name)
    pipeline.set_adapters(names, list(scales) * (len(files) if len(scales) == 1 else 1))
    lines = [f"{digest(file)} {scale}" for file, scale in zip(files, list(scales) * len(files), strict=False)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def add_lora(pipeline: Any, file: Path, name: str) -> None:
    """Loads one file under a name; every weight in it must have found its place."""
    own = type(pipeline).__name__
    count = count_weights(file)
    try:
        loader = pipeline.load_lora_weights
    except AttributeError:
        raise ValueError(f"{own} takes no LoRA files") from None
    try:
        loader(file.parent, weight_name=file.name, adapter_name=name)
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the LoRA {file} is not for {own}: {first_line(error)}") from None
    placed = sum(
        f".{name}." in key and ".lora_" in key
        for module in pipeline.components.values()
        if isinstance(module, torch.nn.Module)
        for key, _ in module.named_parameters()
    )
    if placed < count:
        raise ValueError(f"the LoRA {file} is not for {own}: {placed} of its {count} weights have a place there")


def count_weights(file: Path) -> int:
    """How many matrices a LoRA file holds, scales left aside; ValueError for one that is no safetensors file."""
    if not file.is_file():
        raise ValueError(f"the LoRA {file} does not exist")
    if file.suffix != ".safetensors":
        raise ValueError(f"the LoRA {file} is no .safetensors file; other formats can run code and are not read")
    try:
        with safe_open(file, "pt") as content:
            return sum(not key.endswith(".alpha") for key in content.keys())  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(f"the LoRA {file} is damaged: {first_line(error)}") from None
