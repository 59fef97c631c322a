"""What an update of a unified model takes in memory, by arithmetic on its shape; no weight is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.bagel.config import PUBLISHED, BagelConfig
from harness.bagel.estimate import Memory, Work, drawing_memory, training_memory
from harness.bagel.guidance import Guidance
from harness.bagel.layout import read_config as read_published
from harness.bagel.layout import read_layout
from harness.bagel.schedule import sigma_grid
from harness.bagel.size import adapter_parameters, count_parameters
from harness.model_tiny import SHIPPED, read_config
from harness.process import place_in_launch
from tasks.scene import SIDE
from trainer.launch import shards
from trainer.memory_flow import flow_memory
from trainer.memory_trained import FLOAT, trained_bytes
from trainer.train_config import TrainConfig

ASKED, PROMPT = 160, 128
"""Tokens that ask for a plan or a reflection, and of a prompt, at most."""
GIB = 2**30
MANY = (8, 16)
"""Processes that shards are told for, where a plan is not itself launched in shards."""


def shape_of(config: TrainConfig) -> BagelConfig | None:
    """The shape of the model to be trained: that of its folder, or the published one; None for another kind."""
    given = config.model_args
    if config.model == "tiny":
        return read_config(Path(given.get("weights", SHIPPED)))
    if config.model != "bagel":
        return None
    folder = Path(str(given.get("pretrained", "")))
    return read_published(read_layout(folder)) if folder.is_dir() and folder != Path() else PUBLISHED


def work_of(config: TrainConfig, shape: BagelConfig) -> Work:
    """What a rollout makes at once."""
    section, small = config.sampler, config.model == "tiny"
    sides = [SIDE, SIDE] if small else [int(config.model_args.get(name, 1024)) for name in ("height", "width")]
    latents = (sides[0] // shape.downsample) * (sides[1] // shape.downsample)
    eye = 0 if shape.vit is None else (sides[0] // shape.vit.patch_size) * (sides[1] // shape.vit.patch_size)
    low, high = section.guidance_interval
    return Work(
        tuple(sigma_grid(section.num_inference_steps + 1, 1.0 if section.shift is None else section.shift).tolist()),
        Guidance(section.guidance_scale, section.image_guidance_scale, low, high, section.guidance_renorm),
        rows=config.rollout_batch_size,
        share=config.num_generations if config.rollout_batch_size % config.num_generations == 0 else 1,
        latents=latents,
        text=PROMPT // 8 if small else PROMPT,
        system=(ASKED // 8 if small else ASKED) if config.think else 0,
        thought=config.text.max_completion_length if config.think else 0,
        sources=((latents, eye),) if config.mode != "rt2i" else (),
        width=4 if small or (config.device == "cpu" and not config.bf16) else 2,
    )


def update_memory(config: TrainConfig, shape: BagelConfig, processes: int | None = None) -> tuple[Memory, Memory]:
    """Memory of one process in the rollout, and in the optimiser step after it.

    Trained numbers are whole in each process, or split over `processes`.
    """
    work, counted = work_of(config, shape), count_parameters(shape)
    rows = config.per_device_train_batch_size
    step = replace(work, rows=rows, share=work.share if rows % work.share == 0 else 1)
    drawing = drawing_memory(shape, work)
    learning = training_memory(shape, step, 0, config.sampler.window_size, config.gradient_checkpointing)
    parts = trained_parts(config, shape)
    if config.lora_r:
        weights, (between, during) = drawing.weights, trained_bytes(config, parts, FLOAT, processes)
    else:  # the numbers are among the weights, all of which are in float32 where nothing else is
        width = FLOAT if processes is None else work.width
        weights = drawing.weights + (width - work.width) * counted.network
        between, during = (one - width * sum(parts) for one in trained_bytes(config, parts, width, processes))
    return (
        replace(drawing, weights=weights, training=between),
        replace(learning, weights=weights, training=learning.training + during),
    )


def trained_parts(config: TrainConfig, shape: BagelConfig) -> list[int]:
    """How many numbers are trained of each expert: of adapters, or all, with words and eyes for the one that reads."""
    counted = count_parameters(shape)
    whole = [counted.generation, counted.network - counted.generation]
    parts = [adapter_parameters(shape.language, config.lora_r)] * 2 if config.lora_r else whole
    return parts if config.think else parts[:1]


def memory_lines(config: TrainConfig) -> list[tuple[str, str]]:
    """Names and sizes, of one process of this launch, for `harness train --plan`; none where memory is not known."""
    if config.model == "diffusers":
        return flow_lines(config)
    shape = shape_of(config)
    if shape is None:
        return []
    rollout, learning = update_memory(config, shape, parts_of())
    found = [("memory of the weights", rollout.weights), ("memory of a rollout", rollout.total),
             ("memory of a training step", learning.total),
             ("  trained numbers, activations", learning.training)]  # fmt: skip
    if not shards():
        found += [(f"  in shards of {many} processes", update_memory(config, shape, many)[1].total) for many in MANY]
    return [(name, f"{size / GIB:.2f} GiB") for name, size in found]


def parts_of() -> int | None:
    """Processes of this launch that trained numbers are split over; None where they are whole in each."""
    return place_in_launch()[1] if shards() else None


def flow_lines(config: TrainConfig) -> list[tuple[str, str]]:
    """The same of a pipeline, once it is in a folder."""
    found = flow_memory(config, processes=parts_of())
    if found is None:
        return []
    learning = found.total
    rows = [("memory of the weights", found.weights), ("memory of a rollout", found.weights + found.rollout),
            ("memory of a training step", learning),
            ("  trained numbers", found.trained), ("  activations", found.activations)]  # fmt: skip
    if not shards():
        split = ((many, flow_memory(config, processes=many)) for many in MANY)
        rows += [(f"  in shards of {many} processes", one.total) for many, one in split if one is not None]
    return [(name, f"{size / GIB:.2f} GiB") for name, size in rows]
