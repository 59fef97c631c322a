"""A policy over a diffusers pipeline, from a configuration: which family, which settings, what cannot be."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.model_diffusers import DiffusersModel
from trainer.adapter import Low
from trainer.embeddings import Embeddings
from trainer.family import FAMILIES, Family
from trainer.launch import shards
from trainer.policy_flow import FlowPolicy
from trainer.sampler import Sampler
from trainer.train_config import TrainConfig

FOLLOWED = ("num_inference_steps", "guidance_scale", "true_cfg_scale", "negative_prompt", "width", "height", "max_area",
            "_auto_resize", "use_resolution_binning")  # fmt: skip
"""Arguments of a pipeline's call that a rollout follows too, or that only say how evaluation draws."""


def model_arguments(config: TrainConfig) -> dict[str, Any]:
    """The arguments of a pipeline that is trained: weights in float32 unless it computes in bfloat16 beside others.

    Those others are adapters, or the float32 masters of a launch in shards.
    """
    given = dict(config.model_args)
    if str(given.get("dtype", "auto")) == "auto":
        given["dtype"] = "bfloat16" if config.bf16 and (config.lora_r or shards()) else "float32"
    if given["dtype"] != "float32" and not config.bf16:
        raise ValueError(f"model_args dtype={given['dtype']} is trained with bf16: true, or replays could not be exact")
    return given


def flow_policy(config: TrainConfig, model: DiffusersModel, sampler: Sampler) -> FlowPolicy:
    """The policy over a pipeline's transformer; ValueError for a class that is no family, or a setting it has not."""
    kind = type(model.pipeline).__name__
    if kind not in FAMILIES:
        raise ValueError(f"{kind} cannot be trained; the pipelines that can are {', '.join(FAMILIES)}")
    check_settings(config, kind, model.call)
    module = importlib.import_module(FAMILIES[kind])
    negative = {"negative": model.call["negative_prompt"]} if model.call.get("negative_prompt") else {}
    family: Family = module.FAMILY(model.pipeline, config.sampler.guidance_scale, **negative)
    if model.record["adapter_digest"]:  # what LoRA files brought becomes part of the weights that training begins with
        model.pipeline.fuse_lora(components=["transformer"])
        model.pipeline.unload_lora_weights()
    facts = {name: model.record[name] for name in ("weights_digest", "adapter_digest", "dtype", "libraries")}
    low = Low(config.lora_r, config.lora_alpha) if config.lora_r else None
    device = next(model.pipeline.transformer.parameters()).device
    embeddings = Embeddings(family, device, facts, embeddings_folder())
    rows = config.rollout_batch_size
    if config.gradient_checkpointing:
        model.pipeline.transformer.enable_gradient_checkpointing()
    return FlowPolicy(model, family, module.TARGETS, sampler, embeddings, low, rows, config.seed, config.bf16)


def check_settings(config: TrainConfig, kind: str, call: Mapping[str, Any]) -> None:
    """ValueError names a setting that has no meaning for a pipeline."""
    section = config.sampler
    if section.shift is not None:
        raise ValueError(f"sampler.shift={section.shift:g} is the business of the scheduler of {kind}; leave it out")
    if section.image_guidance_scale != 1.0 or section.guidance_renorm != "none":
        raise ValueError(
            f"{kind} is guided by sampler.guidance_scale alone: image_guidance_scale 1, guidance_renorm none"
        )
    more = [name for name in call if name not in FOLLOWED]
    if more:
        raise ValueError(
            f"a rollout of {kind} does not follow the call's argument {more[0]}; leave it out of model_args"
        )


def embeddings_folder() -> Path:
    """Where encoded prompts are kept: a folder of the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "image-harness" / "embeddings"
