"""tiny: the embedded unified model, BAGEL's architecture at a few million parameters, trained on the scenes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from harness.bagel.checkpoint import digest, load_into, read_weights
from harness.bagel.config import BagelConfig, LanguageConfig, read_json
from harness.bagel.guidance import Guidance, Renorm
from harness.bagel.model import Bagel
from harness.bagel.prompts import Prompts
from harness.bagel.tokenizer import TextCoder
from harness.bagel.unified import Drawing, Thinking, Unified
from harness.bagel.vae import build_image_space
from harness.bagel.vit import VitConfig
from harness.bagel.write import Sampling
from harness.heap import keep_freed
from harness.model import Setting
from tasks.scene import SIDE

SHIPPED = Path(__file__).parent / "tiny"
"""The checkpoint inside the package."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """How the embedded model draws."""

    weights: Path = SHIPPED
    """Folder with `llm_config.json`, `config.json`, `tokenizer.json` and `ema.safetensors`."""
    points: int = 25
    """Grid points of the sampler; one fewer is the number of steps."""
    shift: float = 1.0
    """Timestep shift of the grid."""
    guidance: float = 2.0
    """Text guidance scale; 1 draws without guidance."""
    low: float = 0.0
    """Guidance applies to noise levels above this one."""
    renorm: Renorm = "none"
    """How a guided velocity is rescaled: global, channel, text_channel or none."""
    rows: int = 8
    """Images drawn together; a chunk of fixed shape, so that the batch size changes no image."""
    reason: bool = False
    """Write a plan before drawing; `--reason` says the same."""
    temperature: float = 0.3
    """Of the plan's words."""
    longest: int = 32
    """Most tokens of a plan."""
    image_guidance: float = 1.0
    """Image guidance scale where an image is edited or refined; 1 draws without."""
    longest_reflection: int = 48
    """Most tokens of a reflection, which `--refine` asks for."""
    prompts: Path = SHIPPED / "prompts.json"
    """File with the fixed texts: how a plan is asked for, and so on."""


def read_config(folder: Path) -> BagelConfig:
    """The architecture written beside embedded weights; ValueError names a file that is not right."""
    found = read_json(folder / "config.json")
    try:
        language = LanguageConfig.read(read_json(folder / "llm_config.json"))
        eyes = VitConfig.read(read_json(folder / "vit_config.json")) if found["visual_und"] else None
        return BagelConfig(
            language,
            eyes,
            None,
            latent_patch_size=int(found["latent_patch_size"]),
            max_latent_size=int(found["max_latent_size"]),
            vit_max_num_patch_per_side=eyes.side if eyes else 70,
            prediction=found["prediction"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the configuration in {folder} is not that of an embedded model: {error}") from error


def read_bagel(folder: Path, device: str = "cpu") -> tuple[Bagel, TextCoder]:
    """The network and its words from a folder of weights, in float32."""
    keep_freed()
    config, coder = read_config(folder), TextCoder.read(folder / "tokenizer.json")
    bagel = Bagel(config, coder.special)
    load_into(bagel, read_weights(folder / "ema.safetensors"))
    return bagel.to(torch.device(device)).eval(), coder


def build(arguments: Arguments, setting: Setting) -> Unified:
    """The embedded model, ready to draw."""
    try:
        torch.empty(1, device=setting.device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {setting.device!r} cannot be used: {str(error).splitlines()[0]}") from None
    bagel, coder = read_bagel(arguments.weights, setting.device)
    guidance = Guidance(arguments.guidance, 1.0, arguments.low, 1.0, arguments.renorm)
    editing = replace(guidance, image=arguments.image_guidance)
    drawing = Drawing(arguments.points, arguments.shift, guidance, SIDE, SIDE, arguments.rows, editing)
    weights = digest(arguments.weights / "ema.safetensors")
    thinking, prompts = None, Prompts.read(arguments.prompts)
    if arguments.reason:
        thinking = Thinking(prompts, Sampling(arguments.temperature, 1.0, arguments.longest))
    reflecting = Thinking(prompts, Sampling(arguments.temperature, 1.0, arguments.longest_reflection))
    record = {
        "class": "harness.bagel.unified.Unified",
        "weights_digest": weights,
        "generation": {**asdict(drawing), "thinking": asdict(thinking.sampling) if thinking else None},
        "prompts_sha256": prompts.digest if thinking else None,
        "dtype": "float32",
        "torch": torch.__version__,
        "parameters": sum(parameter.numel() for parameter in bagel.parameters()),
    }
    name = f"tiny@{weights[:12]}" + ("+think" if thinking else "")
    return Unified(
        name, record, bagel, build_image_space(bagel.config.vae), coder, drawing, thinking, reflecting=reflecting
    )
