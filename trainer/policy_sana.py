"""Sana as a policy: linear attention, a VAE that shrinks 32 times, texts behind a long instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.call_arguments import Size
from harness.pipeline import call_parameters
from tasks.sample import Request
from trainer.family import Condition, Layout, columns, grid_of, led_away, no_sources, one_token_a_pixel

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""Modules of the transformer that LoRA adapts."""


@dataclass(frozen=True, slots=True)
class Sana:
    """The parts of a SanaPipeline."""

    pipeline: Any
    guidance: float = 1.0
    negative: str = ""
    branches: ClassVar[int] = 2

    def encode(self, request: Request, size: Size) -> dict[str, Tensor]:  # noqa: ARG002 - texts have no size
        """Texts behind the pipeline's own instruction, with and without the prompt, and their masks."""
        no_sources("Sana", request)
        text, mask, empty, empty_mask = self.pipeline.encode_prompt(
            request.prompt, self.guidance > 1.0, negative_prompt=self.negative,
            complex_human_instruction=call_parameters(self.pipeline)["complex_human_instruction"].default,
        )  # fmt: skip
        found = {"text": text, "mask": mask}
        return found | ({"empty": empty, "empty_mask": empty_mask} if self.guidance > 1.0 else {})

    def layout(self, size: Size) -> Layout:
        """One token a latent pixel."""
        return one_token_a_pixel(self.pipeline, size)

    def sigmas(self, steps: int, layout: Layout) -> list[float]:
        """The scheduler's own grid."""
        return grid_of(self.pipeline, steps, layout.shape[0], spaced=False)

    def velocity(self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout) -> Tensor:
        """The velocity (B, N, D), guided as the pipeline does it."""
        transformer, guided = self.pipeline.transformer, self.guidance > 1.0
        text, mask = columns(conditions, "text"), columns(conditions, "mask")
        if guided:
            text = torch.cat([columns(conditions, "empty"), text])
            mask = torch.cat([columns(conditions, "empty_mask"), mask])
        times = 2 if guided else 1
        found = transformer(
            layout.unpack(latents).repeat(times, 1, 1, 1).to(transformer.dtype),
            encoder_hidden_states=text.to(transformer.dtype), encoder_attention_mask=mask,
            timestep=(sigmas * 1000.0).repeat(times) * transformer.config.timestep_scale, return_dict=False,
        )[0]  # fmt: skip
        return led_away(layout.pack(found[:, : layout.channels]).float(), self.guidance)

    def decode(self, latents: Tensor, layout: Layout) -> Tensor:
        """Pictures from the VAE."""
        vae = self.pipeline.vae
        decoded = vae.decode(layout.unpack(latents).to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
        pixels: Tensor = self.pipeline.image_processor.postprocess(decoded, output_type="pt")
        return pixels


FAMILY = Sana
