"""A diffusers pipeline from a folder or the hub: found, identified by its weights, loaded, placed on a device."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from harness.bagel.checkpoint import digest
from harness.extra import extra, first_line
from harness.picture_text import read_picture_text

Offload = Literal["none", "model", "sequential"]
INSTRUCTED = ("Edit", "Kontext", "Pix2Pix")
"""Words in the names of pipelines that change a given image as told."""
NO_IMAGES = ("num_frames", "audio_length_in_s", "audio_end_in_s")
"""Arguments of pipelines that make films or sounds."""
READ = (".safetensors", ".json", ".txt", ".model")
"""Endings of the files that decide what a component computes."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which pipeline, and how it is loaded."""

    pretrained: str
    revision: str | None = None
    variant: str | None = None
    pipeline: str = "auto"
    dtype: str = "auto"
    safety: str = "kept"


def find_folder(source: Source) -> Path:
    """The folder of a pipeline: the one named, or the hub's snapshot; ValueError says why there is none."""
    folder = Path(source.pretrained).expanduser()
    if folder.is_dir():
        if not (folder / "model_index.json").is_file():
            raise ValueError(f"{folder} holds no pipeline of diffusers: it has no model_index.json")
        return folder
    if source.pretrained.count("/") != 1 or source.pretrained.startswith((".", "/", "~")):
        raise ValueError(f"pretrained={source.pretrained} is neither a folder nor a repository (owner/name)")
    diffusers = extra("diffusers", "models")
    try:
        found: str = diffusers.DiffusionPipeline.download(
            source.pretrained, revision=source.revision, variant=source.variant, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{source.pretrained} is not in the local cache of the hub and cannot be had from it "
            f"({first_line(error)}); where there is a network run `hf download {source.pretrained}`, "
            "or give a folder"
        ) from None
    return Path(found)


def read_index(folder: Path) -> dict[str, Any]:
    """model_index.json; ValueError for one that is damaged or asks for code of its own."""
    path = folder / "model_index.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("_class_name"), str):
        raise ValueError(f"{path} names no class of diffusers; code that comes with weights is not run")
    return found


def load_pipeline(source: Source, folder: Path, device: str) -> Any:
    """The pipeline in evaluation mode, still on the CPU; ValueError for one that makes no images from a prompt."""
    index = read_index(folder)
    kind = chosen_class(str(index["_class_name"]), source.pipeline)
    more: dict[str, Any] = {"dtype": read_dtype(source.dtype, device), "use_safetensors": True}
    more |= {"variant": source.variant} if source.variant else {}
    more |= {"safety_checker": None} if source.safety == "off" and "safety_checker" in index else {}
    bare = "Qwen2VLProcessor" in str(index.get("processor")) and importlib.util.find_spec("torchvision") is None
    more |= {"processor": None} if bare else {}
    try:
        pipeline = kind.from_pretrained(folder, **more)
    except (ValueError, OSError, TypeError, ImportError, RuntimeError) as error:
        raise ValueError(f"{folder} cannot be loaded as {kind.__name__}: {first_line(error)}") from None
    check_kind(pipeline)
    if bare:
        pipeline.register_modules(processor=read_picture_text(folder / "processor"))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def chosen_class(own: str, asked: str) -> Any:
    """The class asked for; for `auto` that of the weights, or the text-to-image one of the same family."""
    diffusers = extra("diffusers", "models")
    found = pipeline_class(diffusers, own if asked == "auto" else asked)
    if asked != "auto" or any(word in own for word in INSTRUCTED):
        return found
    table = extra("diffusers.pipelines.auto_pipeline", "models")
    drawing = table.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    if found in drawing.values():
        return found
    others = [*table.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING.items(), *table.AUTO_INPAINT_PIPELINES_MAPPING.items()]
    return next((drawing[key] for key, kind in others if kind is found and key in drawing), found)


def pipeline_class(diffusers: Any, name: str) -> Any:
    """A pipeline class by its name; ValueError tells the nearest names."""
    known = [one for one in dir(diffusers) if one.endswith("Pipeline")]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
        raise ValueError(f"diffusers has no pipeline named {name!r}; did you mean {', '.join(near) or 'another one'}?")
    return getattr(diffusers, name)


def call_parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """The arguments that the pipeline's call takes."""
    return inspect.signature(type(pipeline).__call__).parameters


def check_kind(pipeline: Any) -> None:
    """ValueError for a pipeline that makes no images from a prompt."""
    takes = call_parameters(pipeline)
    if "prompt" not in takes or any(name in takes for name in NO_IMAGES):
        what = "takes no prompt" if "prompt" not in takes else "makes no still images"
        raise ValueError(f"{type(pipeline).__name__} {what}; a text-to-image or instruction-editing pipeline is needed")


def read_dtype(name: str, device: str) -> torch.dtype:
    """A torch dtype by name; `auto` is bfloat16 on an accelerator and float32 on the CPU."""
    if name == "auto":
        return torch.float32 if device.startswith("cpu") else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def place(pipeline: Any, device: str, offload: Offload, compiled: bool) -> None:
    """Puts the pipeline where it runs; ValueError for a device that cannot be used."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {device!r} cannot be used: {first_line(error)}") from None
    if offload != "none" and device.startswith("cpu"):
        raise ValueError(f"offload={offload} moves weights between the CPU and an accelerator; --device is {device!r}")
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    if compiled:
        denoiser(pipeline).compile()


def denoiser(pipeline: Any) -> torch.nn.Module:
    """The network that is called at every step."""
    found = pipeline.components.get("transformer") or pipeline.components.get("unet")
    if not isinstance(found, torch.nn.Module):
        raise ValueError(f"{type(pipeline).__name__} has neither a transformer nor a unet")
    return found


def weights_digest(folder: Path) -> str:
    """SHA-256 over names and content of the components' files; a snapshot of the hub and a copy of it agree."""
    components = sorted(one for one in read_index(folder) if not one.startswith("_") and (folder / one).is_dir())
    lines = [
        f"{path.relative_to(folder).as_posix()} {file_digest(path)}"
        for component in components
        for path in sorted((folder / component).iterdir())
        if path.name.endswith(READ)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file; the hub's cache names large files by it, so those are not read again."""
    name = path.resolve().name
    in_cache = path.is_symlink() and len(name) == 64 and set(name) <= set("0123456789abcdef")
    return name if in_cache else digest(path)


def weights_bytes(pipeline: Any) -> int:
    """Bytes that all weights take."""
    modules = [one for one in pipeline.components.values() if isinstance(one, torch.nn.Module)]
    return sum(parameter.numel() * parameter.element_size() for one in modules for parameter in one.parameters())
