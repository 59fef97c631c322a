"""What a network reads of each request, encoded once: kept in memory, kept on disk, encoders on the CPU meanwhile."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from harness.call_arguments import Size
from harness.identity import hash_of
from harness.picture import picture_name
from tasks.sample import Request
from trainer.family import Condition, Family

MOST = 1 << 30
"""Bytes of conditions that are kept in memory."""
STAYS = ("transformer", "vae")
"""Components that stay where they draw; all others read prompts."""

Asked = tuple[Request, Size]


class Embeddings:
    """The conditions of requests, on the CPU; `facts` name whatever else decides them, as the weights do."""

    def __init__(self, family: Family, device: torch.device, facts: Mapping[str, Any], folder: Path | None) -> None:
        self.family, self.device, self.facts, self.folder = family, device, dict(facts), folder
        self.known: OrderedDict[str, Condition] = OrderedDict()
        self.size = 0
        self.encoded = 0
        """Requests that the encoders have read so far"""

    def read(self, asked: Sequence[Asked]) -> list[Condition]:
        """One condition a request and size, in order; the encoders come to the device only for what is new."""
        keys = [self.key(request, size) for request, size in asked]
        found = {key: one for key in keys if (one := self.recall(key)) is not None}
        fresh = {key: one for key, one in zip(keys, asked, strict=True) if key not in found}
        if fresh:
            with torch.no_grad(), encoders_on(self.family.pipeline, self.device):
                for key, (request, size) in fresh.items():
                    found[key] = {name: one.detach().cpu() for name, one in self.family.encode(request, size).items()}
                    self.encoded += 1
                    self.write(key, found[key])
        for key in keys:
            self.keep(key, found[key])
        return [found[key] for key in keys]

    def key(self, request: Request, size: Size) -> str:
        """Hash of everything that decides a condition."""
        family = self.family
        kind = [type(family).__name__, family.guidance > 1.0, family.negative]
        sources = [picture_name(one) for one in request.sources]
        return hash_of([1, self.facts, kind, request.prompt, sources, list(size)])

    def recall(self, key: str) -> Condition | None:
        """A condition from memory or disk; a damaged file is as good as none."""
        if key in self.known or self.folder is None:
            return self.known.get(key)
        try:
            return load_file(self.folder / key[:2] / f"{key}.safetensors")
        except (OSError, SafetensorError):
            return None

    def write(self, key: str, condition: Condition) -> None:
        """Puts a condition on disk, whole or not at all."""
        if self.folder is None:
            return
        place = self.folder / key[:2]
        place.mkdir(parents=True, exist_ok=True)
        new = place / f".{key}.{os.getpid()}.new"
        save_file({name: one.contiguous() for name, one in condition.items()}, new)
        new.replace(place / f"{key}.safetensors")

    def keep(self, key: str, condition: Condition) -> None:
        """Remembers a condition as the newest; the oldest ones make room."""
        if key not in self.known:
            self.size += weight(condition)
            self.known[key] = condition
        self.known.move_to_end(key)
        while self.size > MOST and len(self.known) > 1:
            self.size -= weight(self.known.popitem(last=False)[1])


def weight(condition: Condition) -> int:
    """Bytes of a condition."""
    return sum(one.numel() * one.element_size() for one in condition.values())


def encoders(pipeline: Any) -> list[nn.Module]:
    """The networks that read prompts."""
    return [
        one for name, one in pipeline.components.items() if isinstance(one, nn.Module) and name not in STAYS
    ]  # fmt: skip


@contextmanager
def encoders_on(pipeline: Any, device: torch.device) -> Iterator[None]:
    """While open, the encoders are on the device; afterwards on the CPU, where they need none of its memory."""
    for module in encoders(pipeline):
        module.to(device)
    try:
        yield
    finally:
        for module in encoders(pipeline):
            module.to("cpu")
