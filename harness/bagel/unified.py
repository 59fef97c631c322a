"""A unified model ready to run: weights, words, and the rules by which it draws.

Requests are drawn in chunks of one fixed shape, padded where they are fewer. A processor sums in an order that depends
on the shape of its matrices; with one shape, an image depends on its prompt and seed alone and not on its neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from harness.bagel.chunk import chunks, padded
from harness.bagel.draw import Contexts, draw, noise_for
from harness.bagel.guidance import Guidance
from harness.bagel.lens import Lens
from harness.bagel.model import Bagel, Canvas
from harness.bagel.pixels import from_patches, to_patches, to_pictures, to_tensor
from harness.bagel.prompts import Prompts
from harness.bagel.reflection import redraw, reflect
from harness.bagel.schedule import sigma_grid
from harness.bagel.tokenizer import TextCoder
from harness.bagel.vae import ImageSpace
from harness.bagel.view import Grid, View
from harness.bagel.walk import Walk, given_image, given_text, wrote_text
from harness.bagel.write import Sampling, write
from harness.refinement import Conversation, Redrawn, Reflection, Template
from tasks.sample import Request, Response


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
    editing: Guidance | None = None
    """Guidance where an image is edited or refined; None for that of drawing from a prompt."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a plan is written before an image is drawn, or a reflection after (method.md 2.4, 2.5)."""

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
    lens: Lens | None = None
    """How given images are sized, and edits with them; None brings all to the size of what is drawn"""
    reflecting: Thinking | None = None
    """None cannot look at its own images"""

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        """One response a request, in order; chunks never mix texts of different padded length, or sizes of sources.

        ValueError for an image to edit that a model without eyes cannot read.
        """
        texts = [self.coder.encode(request.prompt) for request in requests]
        alike = [
            (padded(len(text)), tuple(self.size(source) for source in request.sources))
            for text, request in zip(texts, requests, strict=True)
        ]
        found: dict[int, Response] = {}
        for wanted, full in chunks(alike, self.drawing.rows):
            answers = self.answer([requests[one] for one in full], [texts[one] for one in full],
                                  [seeds[one] for one in full], alike[full[0]][0])  # fmt: skip
            found.update(zip(wanted, answers, strict=False))
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
            written = [one.ids for one in write(bagel, walk.main, self.thinking.sampling, seeds, steady=True)]
            walk = wrote_text(bagel, walk, written, private=True, last=True, length=self.thinking.sampling.longest)
            plans = [self.coder.decode(ids) for ids in written]
        source = requests[0].sources[-1] if requests[0].sources else None
        pictures = self.draw(walk, seeds, self.guidance(source is not None), self.size(source))
        return [Response(picture, plan) for picture, plan in zip(pictures, plans, strict=True)]

    def template_digest(self, template: Template) -> str:
        """SHA-256 of a request to reflect; ValueError for weights without eyes, or prompts that were not given."""
        return hashlib.sha256(getattr(self.reflector().prompts, template).encode()).hexdigest()

    def reflector(self) -> Thinking:
        """How it looks at its own images; ValueError where it cannot."""
        if self.reflecting is None or self.bagel.config.vit is None:
            lacks = "prompts for that" if self.reflecting is None else "eyes"
            raise ValueError(f"{self.id} cannot look at its own images: it has no {lacks}")
        return self.reflecting

    @torch.inference_mode()
    def reflect(self, conversations: Sequence[Conversation], seeds: Sequence[int]) -> list[Reflection]:
        """What it writes about the last picture of each conversation."""
        return reflect(self, self.reflector(), conversations, seeds)

    @torch.inference_mode()
    def redraw(self, conversations: Sequence[Conversation], seeds: Sequence[int]) -> list[Redrawn]:
        """The next picture of each conversation."""
        return redraw(self, self.reflector(), conversations, seeds)

    def guidance(self, has_image: bool) -> Guidance:
        """That of drawing from a prompt, or of editing an image."""
        return (self.drawing.editing or self.drawing.guidance) if has_image else self.drawing.guidance

    def size(self, source: Image.Image | None) -> tuple[int, int]:
        """Width and height at which a source is read and its edit drawn, or of what is drawn from a prompt."""
        if source is None or self.lens is None:
            return self.drawing.width, self.drawing.height
        return self.lens.latents.fit(*source.size)

    def draw(self, walk: Walk, seeds: Sequence[int], guidance: Guidance, size: tuple[int, int]) -> list[Image.Image]:
        """One picture of (width, height) a seed, after what was walked."""
        drawing, config = self.drawing, self.bagel.config
        rows, columns = size[1] // config.downsample, size[0] // config.downsample
        canvas = Canvas.of([(rows, columns)] * len(seeds), config.max_latent_size, self.bagel.device)
        noise = noise_for(seeds, rows * columns, config.token_width).to(self.bagel.device)
        sigmas = sigma_grid(drawing.points, drawing.shift).tolist()
        contexts = Contexts(walk.main, walk.text_free, walk.image_free)
        latents = draw(self.bagel, contexts, noise, sigmas, canvas, guidance)
        return self.pictures(latents, (rows, columns))

    def pictures(self, latents: Tensor, grid: Grid) -> list[Image.Image]:
        """Pictures of latents (B, N, W) that lie on a grid; one after the other, since decoding takes most memory."""
        patches = from_patches(latents, self.bagel.config.latent_patch_size, *grid)
        return [to_pictures(self.space.decode(one[None]))[0] for one in patches]

    def view(self, picture: Image.Image) -> View:
        """A source as the model reads it, brought to the size of what it draws, or within the lens's limits."""
        whole, seen = self.sized(picture)
        pixels, side = to_tensor([whole]).to(self.bagel.device), self.bagel.config.downsample
        latents = to_patches(self.space.encode(pixels), self.bagel.config.latent_patch_size)[0]
        return replace(self.look(seen), latents=latents, latent_grid=(whole.height // side, whole.width // side))

    def look(self, seen: Image.Image) -> View:
        """A picture of the right size as the eyes alone read it; ValueError for a model without eyes."""
        if self.bagel.config.vit is None:
            raise ValueError(f"{self.id} has no eyes and cannot look at an image")
        patch, pixels = self.bagel.config.vit.patch_size, to_tensor([seen]).to(self.bagel.device)
        return View(None, (0, 0), to_patches(pixels, patch)[0], (seen.height // patch, seen.width // patch))

    def sized(self, picture: Image.Image) -> tuple[Image.Image, Image.Image]:
        """A picture at the size at which it is encoded, and at the one at which the eyes see it."""
        if self.lens is not None:
            whole = self.lens.whole(picture)
            return whole, self.lens.seen(whole)
        size, plain = self.size(picture), picture.convert("RGB")
        whole = plain if plain.size == size else plain.resize(size)
        return whole, whole
