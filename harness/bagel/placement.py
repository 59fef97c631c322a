"""Where a unified model lies: on one device, or its layers spread over several by accelerate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from harness.bagel.language import Layer
from harness.bagel.model import Bagel
from harness.extra import extra, first_line

LAYERS = "language_model.model.layers"
Place = int | str


def check_device(device: str) -> None:
    """ValueError for a device that cannot be used."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {device!r} cannot be used: {first_line(error)}") from None


def check_room(weights: int, device: str) -> None:
    """ValueError where a GPU has not the bytes free that the weights take."""
    if not device.startswith("cuda"):
        return
    free, _ = torch.cuda.mem_get_info(device)
    if weights > free:
        raise ValueError(
            f"the weights take {weights / 1e9:.1f} GB and {device} has {free / 1e9:.1f} GB free; device_map=auto "
            "spreads them over all GPUs and the CPU"
        )


def spread(bagel: Bagel, dtype: torch.dtype, limits: Sequence[str], room: int = 0) -> dict[str, Place]:
    """Every module's device: the layers shared out over all GPUs, then the CPU, and all else on the first of them.

    `limits` bound what the weights take of the GPUs, in their order, as in 20GiB; `room` bytes of each stay free.
    ValueError if the weights do not fit.
    """
    memory = available(limits, room)
    first = next(iter(memory))
    rest = bytes_of(bagel, dtype) - bytes_of(bagel.language_model.model.layers, dtype)
    free = ", ".join(f"{size / 1e9:.1f} GB on {one}" for one, size in memory.items())
    little = ValueError(
        f"the weights take {bytes_of(bagel, dtype) / 1e9:.1f} GB, {rest / 1e9:.1f} GB of them on the first device, "
        f"and there are {free}; that is too little"
    )
    memory[first] -= rest
    if memory[first] < 0:
        raise little
    accelerate = extra("accelerate", "models")
    layers = bagel.language_model.model.layers
    bound = accelerate.utils.get_balanced_memory(layers, memory, [Layer.__name__], dtype)
    found: Mapping[str, Place] = accelerate.infer_auto_device_map(layers, bound, [Layer.__name__], dtype)
    if "disk" in found.values():
        raise little
    return placed(bagel, first, found)


def placed(bagel: Bagel, first: Place, found: Mapping[str, Place]) -> dict[str, Place]:
    """A device for every part: `found` for the layers, by number or "" for all, and `first` for the others."""
    layers = {f"{LAYERS}.{name}" if name else LAYERS: device for name, device in found.items()}
    others = [name for name, _ in bagel.named_children() if name != "language_model"]
    inner = [
        f"language_model.model.{name}" for name, _ in bagel.language_model.model.named_children() if name != "layers"
    ]
    return {**dict.fromkeys([*others, *inner, "language_model.lm_head"], first), **layers}


def available(limits: Sequence[str], room: int) -> dict[Place, int]:
    """Free bytes for weights on every GPU, bounded, and on the CPU; ValueError for a bound that is none."""
    accelerate = extra("accelerate", "models")
    memory: dict[Place, int] = accelerate.utils.get_max_memory()
    cards = [one for one in memory if one != "cpu"]
    if len(limits) > len(cards):
        raise ValueError(f"max_memory has {len(limits)} sizes, but there are {len(cards)} GPUs")
    memory |= {card: max(0, memory[card] - room) for card in cards}
    for card, limit in zip(cards, limits, strict=False):
        try:
            memory[card] = min(memory[card], accelerate.utils.convert_file_size_to_int(limit))
        except ValueError:
            raise ValueError(f"max_memory={limit} is no size such as 20GiB") from None
    return memory


def bytes_of(module: nn.Module, dtype: torch.dtype) -> int:
    """Bytes of a module's weights in a type."""
    return sum(one.numel() for one in module.parameters()) * dtype.itemsize


def place_of(places: Mapping[str, Place]) -> Callable[[str], torch.device]:
    """The device of a tensor by its name: that of the longest module name that it begins with."""

    def place(name: str) -> torch.device:
        owner = max((one for one in places if one == "" or name.startswith(f"{one}.")), key=len)
        return torch.device(places[owner])

    return place


def dispatch(bagel: Bagel, places: Mapping[str, Place], first: Place) -> None:
    """Lets accelerate carry what passes from device to device; weights lie where `places` says already."""
    more: dict[str, Any] = {"main_device": first, "force_hooks": len(set(places.values())) > 1}
    extra("accelerate", "models").dispatch_model(bagel, dict(places), **more)
