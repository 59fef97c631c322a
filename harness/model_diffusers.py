"""diffusers: any text-to-image or instruction-editing pipeline, from a folder or the hub.

Requests are drawn in chunks of one fixed shape, padded where they are fewer, and each image has a generator of its own
on the CPU: a picture depends on its request and seed and not on its neighbours.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from harness.call_arguments import Size, check_size, nearest, parse_call, parse_sizes, resolved_call
from harness.lora import add_loras
from harness.model import Setting
from harness.pipeline import (
    INSTRUCTED,
    Offload,
    Source,
    call_parameters,
    denoiser,
    find_folder,
    load_pipeline,
    place,
    weights_bytes,
    weights_digest,
)
from tasks.sample import Failure, Request, Response

MANY_SOURCES = ("QwenImageEditPlusPipeline", "Flux2Pipeline", "Flux2KleinPipeline")
"""Pipelines whose list of images belongs to one request."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A pipeline and how it draws; what is not given is the pipeline's own default."""

    pretrained: str
    """Folder with a `model_index.json`, or the name of a repository on the hub."""
    pipeline: str = "auto"
    """Class of diffusers, such as FluxKontextPipeline; `auto` takes what the weights name."""
    revision: str | None = None
    """Commit, tag or branch on the hub."""
    variant: str | None = None
    """Variant of the weight files, such as fp16."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights; auto is bfloat16 on an accelerator and float32 on the CPU."""
    offload: Offload = "none"
    """Keep weights on the CPU and move a component (model) or a layer (sequential) to the device when it is needed."""
    compile: bool = False
    """torch.compile of the network that is called at every step."""
    lora: tuple[Path, ...] = ()
    """LoRA files (.safetensors), with + between them."""
    lora_scale: tuple[float, ...] = (1.0,)
    """Their weights, one for each or one for all."""
    rows: int = 1
    """Images drawn together; a chunk of fixed shape, so that the batch size changes no image."""
    steps: int | None = None
    """num_inference_steps of the pipeline."""
    guidance: float | None = None
    """guidance_scale of the pipeline; Qwen-Image takes true_cfg_scale in `call` instead."""
    negative: str | None = None
    """Negative prompt of every image."""
    width: int | None = None
    height: int | None = None
    buckets: str = ""
    """Sizes such as 1024x1024+1216x832: an edit takes the one whose shape is nearest to its source."""
    safety: Literal["kept", "off"] = "kept"
    """The safety checker that comes with the weights; what it blacks out is a refusal and not a failure to draw."""
    call: str = ""
    """Further arguments of the pipeline's call: name:value+name:value, or JSON."""


class DiffusersModel:
    """A model of the harness's contract over a pipeline."""

    def __init__(self, name: str, record: Mapping[str, Any], pipeline: Any, call: Mapping[str, Any],
                 buckets: Sequence[Size] = (), rows: int = 1) -> None:  # fmt: skip
        self.id, self.record, self.pipeline, self.call = name, record, pipeline, call
        self.buckets, self.rows, self.halved = buckets, rows, False
        self.takes = call_parameters(pipeline)
        if type(pipeline).__name__ in MANY_SOURCES:
            self.rows = 1

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """One response a request, in order; out of memory, the rows of a chunk are halved once for the whole run."""
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            groups[(self.size_of(request), *(source.size for source in request.sources))].append(number)
        found: dict[int, Response | Failure] = {}
        for members in groups.values():
            left = members
            while left:
                chunk = left[: self.rows]
                try:
                    drawn = self.draw([requests[one] for one in chunk], [seeds[one] for one in chunk])
                except RuntimeError as error:
                    if not out_of_memory(error):
                        raise
                    if self.halve():
                        continue
                    drawn = [Failure("generation_error", self.too_large(requests[chunk[0]]))] * len(chunk)
                found.update(zip(chunk, drawn, strict=True))
                left = left[len(chunk) :]
        return [found[number] for number in range(len(requests))]

    def draw(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """A chunk of at most `rows` requests of one shape, padded to `rows`."""
        wrong = self.misfit(requests[0])
        if wrong:
            return [Failure("generation_error", wrong)] * len(requests)
        spare = self.rows - len(requests)
        wide = [*requests, *[requests[-1]] * spare]
        call = dict(self.call)
        if "negative_prompt" in call:
            call["negative_prompt"] = [call["negative_prompt"]] * len(wide)
        call |= self.sized(wide)
        with torch.inference_mode():
            output = self.pipeline(
                prompt=[request.prompt for request in wide],
                generator=[torch.Generator().manual_seed(seed) for seed in [*seeds, *[seeds[-1]] * spare]],
                **call,
            )
        unsafe = output.get("nsfw_content_detected") or [False] * len(wide)
        images = list(output["images"])[: len(requests)]
        return [
            Failure("refused", "the safety checker of the pipeline blacked the image out") if blocked else Response(one)
            for one, blocked in zip(images, unsafe, strict=False)
        ]

    def sized(self, requests: Sequence[Request]) -> dict[str, Any]:
        """The arguments that say which images are edited, and how large they become."""
        size = self.size_of(requests[0])
        found: dict[str, Any] = {}
        if size and "height" in self.takes:
            found = {"width": size[0], "height": size[1]}
            if "max_area" in self.takes:  # Kontext draws this many pixels, whatever the size asked for
                found["max_area"] = self.call.get("max_area", size[0] * size[1])
        if requests[0].sources:
            resize = size if size and "height" not in self.takes else None
            sources = [
                one if resize is None else one.resize(resize, Image.Resampling.LANCZOS)
                for request in requests
                for one in request.sources
            ]
            found["image"] = sources
        return found

    def size_of(self, request: Request) -> Size | None:
        """Width and height asked for; None leaves them to the pipeline."""
        if request.sources and self.buckets:
            return nearest(self.buckets, request.sources[0].size)
        if "width" in self.call:
            return self.call["width"], self.call["height"]
        return self.buckets[0] if self.buckets else None

    def misfit(self, request: Request) -> str:
        """Why the pipeline cannot answer a request, or nothing."""
        name, count = type(self.pipeline).__name__, len(request.sources)
        if count and "image" not in self.takes:
            return f"{name} takes no image to edit"
        if count > 1 and name not in MANY_SOURCES:
            return f"{name} edits one image, and the request has {count}"
        if not count and any(word in name for word in INSTRUCTED if word != "Kontext"):
            return f"{name} edits images, and the request has none"
        return ""

    def halve(self) -> bool:
        """Halves the rows of a chunk, once; says whether it did."""
        torch.cuda.empty_cache()
        if self.halved or self.rows == 1:
            return False
        self.rows, self.halved = (self.rows + 1) // 2, True
        print(f"harness: out of memory; from here on rows={self.rows} images are drawn together", file=sys.stderr)
        return True

    def too_large(self, request: Request) -> str:
        """What to do about an image that does not fit into memory."""
        size = self.size_of(request)
        told = f"{size[0]} x {size[1]}" if size else "its own size"
        name, weights = type(self.pipeline).__name__, weights_bytes(self.pipeline) / 1e9
        return (
            f"out of memory with {self.rows} image(s) of {told}: the weights of {name} alone take {weights:.1f} GB; "
            "try dtype=bfloat16, offload=model, rows=1, a smaller size"
        )


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an accelerator or the CPU ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def build(arguments: Arguments, setting: Setting) -> DiffusersModel:
    """The pipeline, ready to draw."""
    if arguments.rows < 1:
        raise ValueError(f"rows must be at least 1, not {arguments.rows}")
    given = arguments
    source = Source(given.pretrained, given.revision, given.variant, given.pipeline, given.dtype, given.safety)
    folder = find_folder(source)
    pipeline = load_pipeline(source, folder, setting.device)
    call, buckets = read_call(arguments, pipeline), parse_sizes(arguments.buckets)
    for width, height in [*buckets, *([(call["width"], call["height"])] if "width" in call else [])]:
        check_size(pipeline, width, height)
    adapter = add_loras(pipeline, arguments.lora, arguments.lora_scale)
    place(pipeline, setting.device, arguments.offload, arguments.compile)
    weights = weights_digest(folder)
    record = {
        "class": type(pipeline).__name__,
        "revision": arguments.revision,
        "weights_digest": weights,
        "adapter_digest": adapter,
        "generation": {**resolved_call(pipeline, call), "buckets": [list(size) for size in buckets]},
        "dtype": str(denoiser(pipeline).dtype).removeprefix("torch."),
        "device": torch.device(setting.device).type,
        "libraries": versions(("torch", "diffusers", "transformers", "peft")),
        "rows": arguments.rows,
        "safety_checker": pipeline.components.get("safety_checker") is not None,
    }
    name = arguments.pretrained.rstrip("/").rpartition("/")[2]
    tail = f"+{adapter[:8]}" if adapter else ""
    return DiffusersModel(f"{name}@{weights[:12]}{tail}", record, pipeline, call, buckets, arguments.rows)


def read_call(arguments: Arguments, pipeline: Any) -> dict[str, Any]:
    """The arguments of every call, by the pipeline's own names; ValueError for one that it does not take."""
    given = {
        "num_inference_steps": arguments.steps,
        "guidance_scale": arguments.guidance,
        "negative_prompt": arguments.negative,
        "width": arguments.width,
        "height": arguments.height,
    }
    if (arguments.width is None) != (arguments.height is None):
        raise ValueError("width= and height= are given together")
    return parse_call(pipeline, {name: one for name, one in given.items() if one is not None}, arguments.call)


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Installed versions of libraries that can change an image."""
    from harness.environment import version_of

    return {package: version_of(package) for package in packages}
