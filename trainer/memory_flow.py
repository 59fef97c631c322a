"""What training a pipeline takes in memory, from the headers and the configuration in its folder; no weight is read."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from harness.pipeline import read_index
from trainer.family import FAMILIES
from trainer.memory_trained import FLOAT, trained_bytes
from trainer.train_config import TrainConfig

KEPT = 34
"""Bytes that a layer computing in two bytes keeps for the way back, of each token and channel of its width, the matrix
of attention left out (Korthikanti et al. 2022, eq. 1)."""
WIDER = {"SanaPipeline": 58}
"""The same where a layer is another: Sana's convolutions keep more (`python -m benchmarks.families` measures it)."""
ENTERS = 2
"""The same of what enters a layer, which is all that gradient checkpointing keeps of it."""
TEXT = 512
"""Tokens of an encoded prompt, at most."""


@dataclass(frozen=True, slots=True)
class FlowMemory:
    """Bytes on the device that trains."""

    weights: int
    """Of transformer and VAE; text encoders visit while they read"""
    trained: int
    """Trained numbers with gradients, moments and slow copies"""
    activations: int
    """Kept for the way back by one micro-batch"""
    rollout: int
    """Of one forward of a rollout"""

    @property
    def total(self) -> int:
        """Of a training step."""
        return self.weights + self.trained + self.activations


def flow_memory(config: TrainConfig, *, processes: int | None = None, text: int = TEXT) -> FlowMemory | None:
    """The estimate of a pipeline in a folder; None where there is no folder yet, or no family of its class.

    Trained numbers are whole in each process, or split over `processes`.
    """
    folder = Path(str(config.model_args.get("pretrained", ""))).expanduser()
    if not (folder / "model_index.json").is_file() or not (folder / "transformer" / "config.json").is_file():
        return None
    kind = str(read_index(folder)["_class_name"])
    if kind not in FAMILIES:
        return None
    family = importlib.import_module(FAMILIES[kind])
    shapes = dict(shapes_of(folder / "transformer"))
    network = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    width = 2 if config.bf16 and (config.lora_r or processes) else FLOAT
    numbers = sum(map(math.prod, shapes.values())) + sum(math.prod(one) for _, one in shapes_of(folder / "vae"))
    count = trained_numbers(config, shapes, family.TARGETS)
    _, trained = trained_bytes(config, [count], FLOAT if config.lora_r else width, processes)
    branches = family.FAMILY.branches if config.sampler.guidance_scale > 1.0 else 1
    tokens = tokens_of(config, folder, network) + text
    bytes_each = 1 if config.bf16 else 2  # the figures above are of numbers of two bytes
    channel = int(network["num_attention_heads"]) * int(network["attention_head_dim"]) * bytes_each
    layers = int(network.get("num_layers", 0)) + int(network.get("num_single_layers", 0))
    layer = WIDER.get(kind, KEPT)
    kept = ENTERS * layers + layer if config.gradient_checkpointing else layer * layers
    rows = config.per_device_train_batch_size * config.sampler.window_size * branches
    return FlowMemory(
        width * numbers,
        trained - (0 if config.lora_r else width * count),  # all weights are counted as weights
        rows * tokens * channel * kept,
        config.rollout_batch_size * branches * tokens * channel * layer,
    )


def shapes_of(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every weight of a component, from the headers of its files."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                yield name, tuple(file.get_slice(name).get_shape())


def trained_numbers(config: TrainConfig, shapes: Mapping[str, tuple[int, ...]], targets: tuple[str, ...]) -> int:
    """Of adapters r (in + out) for each matrix they adapt, or all numbers of the transformer."""
    if not config.lora_r:
        return sum(map(math.prod, shapes.values()))
    ends = tuple(f".{target}.weight" for target in targets)
    return sum(config.lora_r * sum(shape) for name, shape in shapes.items() if name.endswith(ends) and len(shape) == 2)


def tokens_of(config: TrainConfig, folder: Path, network: Mapping[str, Any]) -> int:
    """Tokens of a picture, and as many of a source where the family edits."""
    given = config.model_args
    vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    factor = factor_of(vae)
    side = int(network.get("sample_size") or 128) * factor
    width, height = (int(given.get(name) or side) for name in ("width", "height"))
    # FLUX and Qwen-Image are told patches of 2 x 2 by their pipeline, the others cut their own
    patch = max(int(network.get("patch_size") or 1), 2 if "axes_dims_rope" in network else 1)
    tokens = (width // factor // patch) * (height // factor // patch)
    return tokens * (2 if given.get("buckets") else 1)


def factor_of(vae: Mapping[str, Any]) -> int:
    """Pixels of a latent's side."""
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels")
    return 1 << (len(blocks) - 1 if blocks else len(vae.get("temperal_downsample", (1, 1, 1))))
