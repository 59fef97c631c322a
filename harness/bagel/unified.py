"""A unified model ready to run: weights, words, and the rules by which it draws.

Requests are drawn in chunks of one fixed shape, padded where they are fewer. A processor sums in an order that depends
on the shape of its matrices; with one shape, an image depends on its prompt and seed alone and not on its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image

from harness.bagel.context import Context
from harness.bagel.draw import Contexts, draw, noise_for
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.pixels import from_patches, to_pictures
from harness.bagel.schedule import sigma_grid
from harness.bagel.tokenizer import TextCoder
from harness.bagel.vae import ImageSpace
from tasks.sample import Request, Response

TEXT_BUCKET = 16
"""Prompts are padded to a multiple of this many tokens."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How images are drawn."""

    points: int = 50
    """Grid points; one fewer is the number of steps."""
    shift: float = 3.0
    guidance: Guidance = field(default_factory=Guidance)
    height: int = 1024
    width: int = 1024
    rows: int = 8
    """Images in one chunk of fixed shape."""


@dataclass(frozen=True, slots=True)
class Unified:
    """A model of the harness's contract over a Bagel."""

    id: str
    record: Mapping[str, Any]
    bagel: Bagel
    space: ImageSpace
    coder: TextCoder
    drawing: Drawing

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        """One response a request, in order; chunks never mix texts of different padded length."""
        texts = [self.coder.encode(request.prompt) for request in requests]
        buckets: dict[int, list[int]] = defaultdict(list)
        for number, text in enumerate(texts):
            buckets[-(-len(text) // TEXT_BUCKET) * TEXT_BUCKET].append(number)
        pictures: dict[int, Image.Image] = {}
        for length, members in buckets.items():
            for chunk in _chunks(members, self.drawing.rows):
                drawn = self.draw_chunk([texts[one] for one in chunk], [seeds[one] for one in chunk], length)
                pictures.update(zip(chunk, drawn, strict=False))
        return [Response(pictures[number]) for number in range(len(requests))]

    def draw_chunk(self, texts: list[list[int]], seeds: list[int], length: int) -> list[Image.Image]:
        """Pictures of at most `rows` texts, each padded to `length` tokens."""
        drawing, config = self.drawing, self.bagel.config
        spare = drawing.rows - len(texts)
        main, _ = self.bagel.read_text(
            Context.empty(drawing.rows, self.bagel.device), [*texts, *[texts[-1]] * spare], length
        )
        rows, columns = drawing.height // config.downsample, drawing.width // config.downsample
        canvas = Canvas.of([(rows, columns)] * drawing.rows, config.max_latent_size, self.bagel.device)
        noise = noise_for([*seeds, *[seeds[-1]] * spare], rows * columns, config.token_width).to(self.bagel.device)
        contexts = Contexts(main, Context.empty(drawing.rows, self.bagel.device))
        sigmas = sigma_grid(drawing.points, drawing.shift).tolist()
        latents = draw(self.bagel, contexts, noise, sigmas, canvas, drawing.guidance)
        pixels = self.space.decode(from_patches(latents, config.latent_patch_size, rows, columns))
        return to_pictures(pixels)[: len(texts)]


def _chunks(members: list[int], size: int) -> list[list[int]]:
    return [members[start : start + size] for start in range(0, len(members), size)]
