"""What a policy is told before it writes and draws: texts and pictures in the order of method.md 2.2 and 2.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from PIL import Image

from harness.bagel.pixels import to_patches, to_tensor
from harness.bagel.prompts import Prompts
from harness.bagel.tokenizer import TextCoder
from harness.bagel.unified import Unified
from harness.bagel.view import View
from trainer.trajectory import Given, Situation


@dataclass(frozen=True, slots=True)
class Script:
    """The templates and the way from words and pictures to what the model reads."""

    coder: TextCoder
    templates: Mapping[str, str]
    see: Callable[[Image.Image], View]
    think: bool = False
    reflection: str = "open"
    """Which reflection prompt: open or assert_failure"""

    def opening(self, situation: Situation) -> list[Given]:
        """The steps before the policy's first own step."""
        request = situation.request
        steps = [self.text(self.templates["think"])] if self.think else []
        if situation.refine:
            return [*steps, *self.again(request.sources[0], request.prompt)]
        return [*steps, *(Given(view=self.see(one)) for one in request.sources), self.text(request.prompt)]

    def again(self, picture: Image.Image, prompt: str) -> list[Given]:
        """A picture of the policy's own, and the request to reflect on it."""
        asked = self.templates[self.reflection].replace("{prompt}", prompt)
        return [Given(view=self.see(picture)), self.text(asked)]

    def text(self, text: str) -> Given:
        """A text as ids between the marks."""
        return Given(tuple(self.coder.encode(text)))


def script_for(unified: Unified, prompts: Prompts | None, think: bool, reflection: str) -> Script:
    """The script of a model, with the texts that it was trained or is evaluated with."""
    templates = {} if prompts is None else {one.name: getattr(prompts, one.name) for one in fields(prompts)}
    return Script(unified.coder, templates, lambda picture: view_of(unified, picture), think, reflection)


@torch.no_grad()
def view_of(unified: Unified, picture: Image.Image) -> View:
    """A picture as the model reads it: latents without noise, and patches where the model has eyes."""
    if unified.lens is not None:
        return unified.view(picture)
    config = unified.bagel.config
    pixels = to_tensor([picture]).to(unified.bagel.device)
    latents = to_patches(unified.space.encode(pixels), config.latent_patch_size)[0]
    grid = picture.height // config.downsample, picture.width // config.downsample
    if config.vit is None:
        return View(latents, grid, None, (0, 0))
    side = config.vit.patch_size
    return View(latents, grid, to_patches(pixels, side)[0], (picture.height // side, picture.width // side))
