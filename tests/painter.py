"""A third party's model: draws what is asked, pixel by pixel, and fails where it is told to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from harness.model import Setting
from tasks.sample import Request, Response


@dataclass(frozen=True, slots=True)
class Arguments:
    """How the painter behaves."""

    fail_on: str = ""
    """Requests whose prompt holds this word raise."""
    fail_batches: bool = False
    """Whether any batch of more than one raises."""
    pause: float = 0.0
    """Seconds a batch takes."""


@dataclass(frozen=True, slots=True)
class Painter:
    """Fills a picture with a colour that the prompt and the seed decide."""

    arguments: Arguments
    id: str = "painter"
    record: Mapping[str, Any] = field(default_factory=dict)

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        time.sleep(self.arguments.pause)
        if self.arguments.fail_batches and len(requests) > 1:
            raise MemoryError("too many at once")
        if self.arguments.fail_on and any(self.arguments.fail_on in request.prompt for request in requests):
            raise RuntimeError("the brush broke")
        return [Response(self.paint(request, seed)) for request, seed in zip(requests, seeds, strict=True)]

    def paint(self, request: Request, seed: int) -> Image.Image:
        random = np.random.default_rng([seed, *request.prompt.encode()])
        array = np.full((32, 32, 3), 208, dtype=np.uint8)
        top, left = random.integers(2, 18, 2)
        array[top : top + 12, left : left + 12] = random.integers(0, 256, 3)
        return Image.fromarray(array)


def build(arguments: Arguments, setting: Setting) -> Painter:
    assert setting.plan
    return Painter(arguments)
