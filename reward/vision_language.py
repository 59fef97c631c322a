"""A vision-language model of transformers: its weights, and its processor built from parts that need no torchvision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import HFValidationError
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES  # type: ignore[attr-defined]

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def load_config(pretrained: str, at: Mapping[str, Any]) -> Any:
    """The configuration of a checkpoint that sees; ValueError says why there is none."""
    config = any_config(pretrained, at)
    if config.model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise ValueError(
            f"{pretrained} is of the kind {config.model_type}, which does not read pictures and answer in words; "
            "take a vision-language model such as Qwen/Qwen3-VL-8B-Instruct"
        )
    return config


def language_config(pretrained: str, at: Mapping[str, Any]) -> Any:
    """The configuration of a checkpoint that writes; ValueError says why there is none."""
    config = any_config(pretrained, at)
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ValueError(
            f"{pretrained} is of the kind {config.model_type}, which does not write text; "
            "take a language model such as Qwen/Qwen3-8B"
        )
    return config


def any_config(pretrained: str, at: Mapping[str, Any]) -> Any:
    """The configuration of a checkpoint; ValueError says why there is none."""
    if Path(pretrained).is_absolute() and not Path(pretrained).is_dir():
        raise ValueError(f"there is no folder {pretrained}; pretrained= takes a folder or a name on the hub")
    try:
        config = AutoConfig.from_pretrained(pretrained, **at)
    except (OSError, HFValidationError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(f"the model {pretrained} is no folder here and cannot be had from the hub: {reason}") from None
    return config


def load_model(pretrained: str, at: Mapping[str, Any], device: str, dtype: str, attention: str) -> Any:
    """The weights, on one device or, with `auto`, on all that accelerate finds."""
    model: torch.nn.Module = AutoModelForImageTextToText.from_pretrained(
        pretrained, dtype=dtype_of(device, dtype), device_map=device, attn_implementation=attention, **at
    )
    return model.eval()


def dtype_of(device: str, dtype: str) -> torch.dtype:
    """The number format; `auto` is bfloat16 on an accelerator and float32 on a CPU."""
    if dtype != "auto":
        return DTYPES[dtype]
    on_processor = device == "cpu" or (device == "auto" and not torch.accelerator.is_available())
    return torch.float32 if on_processor else torch.bfloat16


def load_processor(pretrained: str, at: Mapping[str, Any], model_type: str) -> Any:
    """Tokenizer and picture processor of a checkpoint; pictures are prepared by PIL, alike on every machine.

    The library's own way also loads a processor of videos, which cannot be had without torchvision.
    """
    kind = without_videos(getattr(transformers, PROCESSOR_MAPPING_NAMES[model_type]))
    parts: dict[str, Callable[[], Any]] = {
        "image_processor": partial(AutoImageProcessor.from_pretrained, pretrained, backend="pil", **at),
        "tokenizer": partial(AutoTokenizer.from_pretrained, pretrained, **at),
        "video_processor": lambda: None,
    }
    told, _ = kind.get_processor_dict(pretrained, **at)
    return kind.from_args_and_dict([parts[one]() for one in kind.get_attributes()], told)


def without_videos(kind: type[Any]) -> type[Any]:
    """The same class of processor, which lets the part that prepares videos be None."""

    def check(self: Any, name: str, part: Any) -> Any:
        return None if name == "video_processor" else kind.check_argument_for_proper_class(self, name, part)

    return type(kind.__name__, (kind,), {"check_argument_for_proper_class": check})


def digest_of(pretrained: str, config: Any) -> str:
    """The commit on the hub, or the SHA-256 of a folder's weights and settings: all that can change an answer."""
    if not Path(pretrained).is_dir():
        return str(config._commit_hash)
    found = hashlib.sha256()
    for path in sorted(Path(pretrained).iterdir()):
        if path.suffix in (".safetensors", ".json", ".jinja", ".txt", ".model"):
            with path.open("rb") as file:
                found.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()
