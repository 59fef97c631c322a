"""Arguments of a pipeline's call: read, checked against its signature, resolved; sizes that its VAE can take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.pipeline import call_parameters
from tasks.registry import unknown

Size = tuple[int, int]
"""Width and height in pixels."""
OURS = ("self", "prompt", "image", "generator", "output_type", "return_dict", "num_images_per_prompt", "latents",
        "prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds",
        "callback_on_step_end", "callback_on_step_end_tensor_inputs", "callback", "callback_steps",
        "args", "kwargs")  # fmt: skip
"""Arguments of a call that the harness sets itself, or that hold no plain value."""


def parse_call(pipeline: Any, given: Mapping[str, Any], more: str) -> dict[str, Any]:
    """The given arguments and those of `call=`; ValueError names one that the pipeline does not take."""
    found = {**given, **parse_pairs(more)}
    takes = [name for name in call_parameters(pipeline) if name not in OURS]
    for name in found:
        if name not in takes:
            raise ValueError(unknown(f"argument of {type(pipeline).__name__}", name, takes))
    return found


def parse_pairs(text: str) -> dict[str, Any]:
    """Names and values; a value is JSON where it can be, else text."""
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise ValueError(f"call= is not JSON: {error}") from None
    found: dict[str, Any] = {}
    for part in text.split("+"):
        name, sign, value = part.partition(":")
        if not part.strip():
            continue
        if not sign:
            raise ValueError(f"{part!r} in call= is not of the form name:value")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found


def resolved_call(pipeline: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    """All plain arguments of a call as they will be, the pipeline's defaults among them."""
    defaults = {
        name: one.default
        for name, one in call_parameters(pipeline).items()
        if name not in OURS and isinstance(one.default, bool | int | float | str)
    }
    return {**defaults, **call}


def parse_sizes(text: str) -> tuple[Size, ...]:
    """Sizes written as 1024x1024+1216x832; ValueError for what is none."""
    sizes = []
    for part in text.split("+") if text.strip() else []:
        width, sign, height = part.strip().partition("x")
        if not (sign and width.isdigit() and height.isdigit()):
            raise ValueError(f"{part!r} in buckets= is no size such as 1024x768")
        sizes.append((int(width), int(height)))
    return tuple(sizes)


def nearest(sizes: Sequence[Size], source: Size) -> Size:
    """The size whose shape is most like that of the source; of equal ones the first."""
    shape = source[0] / source[1]
    return min(sizes, key=lambda size: max(size[0] / size[1] / shape, shape / (size[0] / size[1])))


def check_size(pipeline: Any, width: int, height: int) -> None:
    """ValueError for a size that the pipeline would change or refuse, with the nearest ones that it takes."""
    step = pixel_step(pipeline)
    for name, value in (("width", width), ("height", height)):
        if value < step or value % step:
            low = max(step, value // step * step)
            raise ValueError(
                f"{name}={value} is no multiple of {step}, which {type(pipeline).__name__} asks for; "
                f"the nearest are {low} and {low + step}"
            )


def pixel_step(pipeline: Any) -> int:
    """Pixels by which a side can grow: what the VAE makes of a latent, times the patch of the network."""
    processor = pipeline.image_processor.config.vae_scale_factor
    transformer = pipeline.components.get("transformer")
    patch = None if transformer is None else transformer.config.get("patch_size")
    return max(int(processor), int(pipeline.vae_scale_factor) * int(patch or 1))
