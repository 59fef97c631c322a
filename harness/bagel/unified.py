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

from harness.bagel.draw import Contexts, draw, noise_for
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.pixels import from_patches, to_patches, to_pictures, to_tensor
from harness.bagel.prompts import Prompts
from harness.bagel.schedule import sigma_grid
from harness.bagel.tokenizer import TextCoder
from harness.bagel.vae import ImageSpace
from harness.bagel.view import View
from harness.bagel.walk import Walk, given_image, given_text, wrote_text
from harness.bagel.write import Sampling, write
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
class Thinking:
    """How a plan is written before an image is drawn (method.md 2.4)."""

    prompts: Prompts
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Unified:
    """A model of the harness's contract over a Bagel."""

    id: str
    record: Mapping[str, Any]
    bagel: Bagel
    space: ImageSpace
    coder: TextCoder
    drawing: Drawing
    thinking: Thinking | None = None
    """None draws at once"""

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        """One response a request, in order; chunks never mix texts of different padded length, or numbers of sources.

        ValueError for an image to edit that a model without eyes cannot read.
        """
        texts = [self.coder.encode(request.prompt) for request in requests]
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, (text, request) in enumerate(zip(texts, requests, strict=True)):
            alike[padded(len(text)), len(request.sources)].append(number)
        found: dict[int, Response] = {}
        for (length, _), members in alike.items():
            for start in range(0, len(members), self.drawing.rows):
                chunk = members[start : start + self.drawing.rows]
                full = [*chunk, *[chunk[-1]] * (self.drawing.rows - len(chunk))]
                answers = self.answer([requests[one] for one in full], [texts[one] for one in full],
                                      [seeds[one] for one in full], length)  # fmt: skip
                found.update(zip(chunk, answers, strict=False))
        return [found[number] for number in range(len(requests))]

    def answer(
        self, requests: Sequence[Request], texts: Sequence[list[int]], seeds: Sequence[int], length: int
    ) -> list[Response]:
        """Responses to one chunk, walked as method.md 2.2 has it: think, sources, prompt, plan, picture."""
        bagel, walk = self.bagel, Walk.begin(len(requests), self.bagel.device)
        if self.thinking:
            walk = given_text(bagel, walk, [self.coder.encode(self.thinking.prompts.think)] * len(requests))
        for sources in zip(*(request.sources for request in requests), strict=True):
            walk = given_image(bagel, walk, [self.view(source) for source in sources])
        walk = given_text(bagel, walk, texts, length)
        plans = [""] * len(requests)
        if self.thinking:
            written = [one.ids for one in write(bagel, walk.main, self.thinking.sampling, seeds)]
            walk = wrote_text(bagel, walk, written, private=True, last=True, length=self.thinking.sampling.most + 1)
            plans = [self.coder.decode(ids) for ids in written]
        pictures = self.draw(Contexts(walk.main, walk.text_free, walk.image_free), seeds)
        return [Response(picture, plan) for picture, plan in zip(pictures, plans, strict=True)]

    def draw(self, contexts: Contexts, seeds: Sequence[int]) -> list[Image.Image]:
        """One picture a seed."""
        drawing, config = self.drawing, self.bagel.config
        rows, columns = drawing.height // config.downsample, drawing.width // config.downsample
        canvas = Canvas.of([(rows, columns)] * len(seeds), config.max_latent_size, self.bagel.device)
        noise = noise_for(seeds, rows * columns, config.token_width).to(self.bagel.device)
        sigmas = sigma_grid(drawing.points, drawing.shift).tolist()
        latents = draw(self.bagel, contexts, noise, sigmas, canvas, drawing.guidance)
        return to_pictures(self.space.decode(from_patches(latents, config.latent_patch_size, rows, columns)))

    def view(self, picture: Image.Image) -> View:
        """A source as the model reads it, brought to the size of what it draws."""
        config, size = self.bagel.config, (self.drawing.width, self.drawing.height)
        if config.vit is None:
            raise ValueError(f"{self.id} has no eyes and cannot edit an image")
        whole = picture.convert("RGB") if picture.size == size else picture.convert("RGB").resize(size)
        pixels = to_tensor([whole]).to(self.bagel.device)
        side, patch = config.downsample, config.vit.patch_size
        return View(
            to_patches(self.space.encode(pixels), config.latent_patch_size)[0],
            (whole.height // side, whole.width // side),
            to_patches(pixels, patch)[0],
            (whole.height // patch, whole.width // patch),
        )


def padded(length: int) -> int:
    """The length to which a text of so many tokens is padded."""
    return -(-length // TEXT_BUCKET) * TEXT_BUCKET
