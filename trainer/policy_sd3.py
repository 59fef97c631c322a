"""SD3 and SD3.5 as a policy: classifier-free guidance in one forward, latents without patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.call_arguments import Size
from tasks.sample import Request
from trainer.family import Condition, Layout, columns, grid_of, led_away, no_sources, one_token_a_pixel

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""Modules of the transformer that LoRA adapts."""


@dataclass(frozen=True, slots=True)
class StableDiffusion3:
    """The parts of a StableDiffusion3Pipeline."""

    pipeline: Any
    guidance: float = 1.0
    negative: str = ""
    branches: ClassVar[int] = 2

    def encode(self, request: Request, size: Size) -> dict[str, Tensor]:  # noqa: ARG002 - texts have no size
        """Texts of the three encoders and their pooled form, with and without the prompt."""
        no_sources("SD3", request)
        text, empty, pooled, empty_pooled = self.pipeline.encode_prompt(
            prompt=request.prompt, prompt_2=None, prompt_3=None, negative_prompt=self.negative,
            do_classifier_free_guidance=self.guidance > 1.0,
        )  # fmt: skip
        found = {"text": text, "pooled": pooled}
        return found | ({"empty": empty, "empty_pooled": empty_pooled} if self.guidance > 1.0 else {})

    def layout(self, size: Size) -> Layout:
        """One token a latent pixel."""
        return one_token_a_pixel(self.pipeline, size)

    def sigmas(self, steps: int, layout: Layout) -> list[float]:
        """The scheduler's own grid."""
        patch = self.pipeline.transformer.config.patch_size
        return grid_of(self.pipeline, steps, (layout.height // patch) * (layout.width // patch), spaced=False)

    def velocity(self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout) -> Tensor:
        """The velocity (B, N, D), guided as the pipeline does it."""
        guided = self.guidance > 1.0
        text, pooled = columns(conditions, "text"), columns(conditions, "pooled")
        if guided:
            text = torch.cat([columns(conditions, "empty"), text])
            pooled = torch.cat([columns(conditions, "empty_pooled"), pooled])
        picture = layout.unpack(latents.to(text.dtype)).repeat(2 if guided else 1, 1, 1, 1)
        found = self.pipeline.transformer(
            hidden_states=picture, timestep=(sigmas * 1000.0).repeat(2 if guided else 1),
            encoder_hidden_states=text, pooled_projections=pooled, return_dict=False,
        )[0]  # fmt: skip
        return led_away(layout.pack(found).float(), self.guidance)

    def decode(self, latents: Tensor, layout: Layout) -> Tensor:
        """Pictures from the VAE."""
        config = self.pipeline.vae.config
        picture = layout.unpack(latents) / config.scaling_factor + config.shift_factor
        decoded = self.pipeline.vae.decode(picture.to(self.pipeline.vae.dtype), return_dict=False)[0]
        pixels: Tensor = self.pipeline.image_processor.postprocess(decoded, output_type="pt")
        return pixels


FAMILY = StableDiffusion3
