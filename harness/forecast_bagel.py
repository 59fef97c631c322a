"""What the model bagel will take in memory and time, told before a weight is opened (docs/bagel.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.arguments import fill
from harness.bagel.config import PUBLISHED, BagelConfig
from harness.bagel.estimate import Memory, drawing_memory, forwards, seconds
from harness.bagel.layout import find_folder, is_repository, read_config, read_layout
from harness.bagel.workload import chunk_work
from harness.bagel.write import Sampling
from harness.model_bagel import Arguments, read_drawing, read_dtype

PRODUCTS, BANDWIDTH = 400e12, 2.3e12
"""What one H100 is taken to sustain: 40 % of its operations a second in bfloat16, 70 % of its bytes a second."""
THOUGHT = 300
"""Tokens of a plan that are written, about."""


def shape_of(pretrained: str) -> BagelConfig:
    """The shape of a folder's checkpoint; for a repository of the hub, which is not asked, the published one."""
    if is_repository(pretrained) and not Path(pretrained).is_dir():
        return PUBLISHED
    return read_config(read_layout(find_folder(pretrained)))


def foresee(arguments: Mapping[str, Any], device: str, images: int, edits: bool) -> dict[str, Any]:
    """Lines for --dry-run: memory on the device, forwards and time."""
    given: Arguments = fill(Arguments, arguments, "model 'bagel'")
    config = shape_of(given.pretrained)
    width, drawing = read_dtype(given.dtype, device).itemsize, read_drawing(given, config)
    plan = Sampling(given.temperature, given.top_p, given.longest) if given.reason else None
    work = chunk_work(config, drawing, plan, edits, width)
    memory = drawing_memory(config, work)
    found = {f"gigabytes_{name}": float(f"{size / 1e9:.3g}") for name, size in parts(memory).items()}
    found["forwards_an_image"] = forwards(work) // work.rows
    if not device.startswith("cpu"):
        written, drawn = seconds(config, replace(work, thought=min(work.thought, THOUGHT)), PRODUCTS, BANDWIDTH)
        found["seconds_an_image_on_one_h100"] = round((written + drawn) / work.rows, 1)
        found["hours_on_one_h100"] = round((written + drawn) / work.rows * images / 3600, 1)
    return found


def parts(memory: Memory) -> dict[str, int]:
    """The estimate's parts that are not nothing, and their sum."""
    named = {
        "of_weights": memory.weights,
        "of_contexts": memory.contexts,
        "in_passing": memory.passing,
        "of_training": memory.training,
    }
    return {**{name: size for name, size in named.items() if size}, "in_all": memory.total}
