"""FLUX.1 dev and Kontext as a policy: guidance is a number that the network reads, sources are more tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.call_arguments import Size
from tasks.sample import Request
from trainer.family import Condition, Layout, columns, fitted, grid_of, no_sources

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""Modules of the transformer that LoRA adapts."""


@dataclass(frozen=True, slots=True)
class Flux:
    """The parts of a FluxPipeline or a FluxKontextPipeline."""

    pipeline: Any
    guidance: float = 3.5
    """The number that the network reads; 1 is the least guidance that it knows"""
    negative: str = ""
    """Not used: guidance costs no second forward"""
    branches: ClassVar[int] = 1

    @torch.no_grad()
    def encode(self, request: Request, size: Size) -> dict[str, Tensor]:
        """The text, its pooled form, and for Kontext the source as tokens, by the mean of the VAE's posterior."""
        text, pooled, _ = self.pipeline.encode_prompt(prompt=request.prompt, prompt_2=None)
        found = {"text": text, "pooled": pooled}
        if not request.sources:
            return found
        if type(self.pipeline).__name__ != "FluxKontextPipeline":
            no_sources("FLUX.1", request)
        if len(request.sources) > 1:
            raise ValueError(f"FLUX Kontext edits one image, and the request has {len(request.sources)}")
        processor, vae = self.pipeline.image_processor, self.pipeline.vae
        pixels = processor.preprocess(fitted(request.sources[0], size), size[1], size[0]).to(text.device, vae.dtype)
        latents = (vae.encode(pixels).latent_dist.mode() - vae.config.shift_factor) * vae.config.scaling_factor
        return {**found, "source": self.layout(size).pack(latents)}

    def layout(self, size: Size) -> Layout:
        """Patches of 2 x 2 latent pixels."""
        factor = self.pipeline.vae_scale_factor * 2
        channels = self.pipeline.transformer.config.in_channels // 4
        return Layout(channels, size[1] // factor * 2, size[0] // factor * 2, patch=2)

    def sigmas(self, steps: int, layout: Layout) -> list[float]:
        """The scheduler's grid, shifted by the number of tokens."""
        return grid_of(self.pipeline, steps, layout.shape[0], spaced=True)

    def velocity(self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout) -> Tensor:
        """The velocity (B, N, D)."""
        transformer, text = self.pipeline.transformer, columns(conditions, "text")
        tokens, places = latents.to(text.dtype), positions(layout, 0)
        if "source" in conditions[0]:
            tokens = torch.cat([tokens, columns(conditions, "source").to(text.dtype)], 1)
            places = torch.cat([places, positions(layout, 1)])
        scale = torch.full((len(latents),), self.guidance, device=latents.device)
        found = transformer(
            hidden_states=tokens, timestep=sigmas.to(text.dtype),
            guidance=scale if transformer.config.guidance_embeds else None,
            pooled_projections=columns(conditions, "pooled"), encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3, device=text.device, dtype=text.dtype),
            img_ids=places.to(text.device, text.dtype), return_dict=False,
        )[0]  # fmt: skip
        velocity: Tensor = found[:, : latents.shape[1]].float()
        return velocity

    def decode(self, latents: Tensor, layout: Layout) -> Tensor:
        """Pictures from the VAE."""
        config = self.pipeline.vae.config
        picture = layout.unpack(latents) / config.scaling_factor + config.shift_factor
        decoded = self.pipeline.vae.decode(picture.to(self.pipeline.vae.dtype), return_dict=False)[0]
        pixels: Tensor = self.pipeline.image_processor.postprocess(decoded, output_type="pt")
        return pixels


def positions(layout: Layout, picture: int) -> Tensor:
    """Which picture, row and column each token (N, 3) belongs to."""
    rows, columns = layout.grid
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([torch.full_like(row, picture), row, column], -1).reshape(-1, 3)


FAMILY = Flux
