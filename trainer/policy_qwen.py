"""Qwen-Image and Qwen-Image-Edit as a policy: guidance keeps the length of every token, texts have their own length."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.linalg import vector_norm

from harness.call_arguments import Size
from tasks.sample import Request
from trainer.family import Condition, Layout, columns, fitted, grid_of, no_sources, padded

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""Modules of the transformer that LoRA adapts."""
AREA = 1024 * 1024
"""Pixels at which Qwen-Image-Edit looks at a source."""


@dataclass(frozen=True, slots=True)
class QwenImage:
    """The parts of a QwenImagePipeline or a QwenImageEditPipeline."""

    pipeline: Any
    guidance: float = 1.0
    negative: str = " "
    branches: ClassVar[int] = 2

    @torch.no_grad()
    def encode(self, request: Request, size: Size) -> dict[str, Tensor]:  # noqa: ARG002 - a source has its own size
        """Texts with and without the prompt; for an edit also what the source is to the VAE, and its grid."""
        found: dict[str, Tensor] = {}
        seen: dict[str, Any] = {}
        if request.sources:
            if "processor" not in self.pipeline.components:
                no_sources("Qwen-Image", request)
            if len(request.sources) > 1:
                raise ValueError(f"Qwen-Image-Edit edits one image, and the request has {len(request.sources)}")
            picture = fitted(request.sources[0], looked_at(self.pipeline, request.sources[0].size))
            found, seen = self.look(picture), {"image": picture}
        texts = {"text": request.prompt} | ({"empty": self.negative} if self.guidance > 1.0 else {})
        for name, text in texts.items():
            embeds, mask = self.pipeline.encode_prompt(prompt=text, **seen)
            found[name] = embeds if mask is None else embeds[:, : int(mask.sum())]
        return found

    def look(self, picture: Any) -> dict[str, Tensor]:
        """The source as tokens by the mean of the VAE's posterior, and its rows and columns."""
        vae, size = self.pipeline.vae, picture.size
        pixels = self.pipeline.image_processor.preprocess(picture, size[1], size[0]).unsqueeze(2)
        latents = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()[:, :, 0]
        mean, deviation = (torch.tensor(one, device=vae.device).view(1, -1, 1, 1)
                           for one in (vae.config.latents_mean, vae.config.latents_std))  # fmt: skip
        layout = self.layout(size)
        return {"source": layout.pack((latents - mean) / deviation), "source_grid": torch.tensor([layout.grid])}

    def layout(self, size: Size) -> Layout:
        """Patches of 2 x 2 latent pixels."""
        factor = self.pipeline.vae_scale_factor * 2
        channels = self.pipeline.transformer.config.in_channels // 4
        return Layout(channels, size[1] // factor * 2, size[0] // factor * 2, patch=2)

    def sigmas(self, steps: int, layout: Layout) -> list[float]:
        """The scheduler's grid, shifted by the number of tokens."""
        return grid_of(self.pipeline, steps, layout.shape[0], spaced=True)

    def velocity(self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout) -> Tensor:
        """The velocity (B, N, D); a guided one is as long in every token as the one with the prompt."""
        given = self.forward(latents, sigmas, conditions, layout, "text")
        if self.guidance <= 1.0:
            return given
        without = self.forward(latents, sigmas, conditions, layout, "empty")
        both = without + self.guidance * (given - without)
        longer: Tensor = vector_norm(both, dim=-1, keepdim=True) / vector_norm(given, dim=-1, keepdim=True)
        return both / longer

    def forward(
        self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout, name: str
    ) -> Tensor:
        """The velocity (B, N, D) under one of the texts."""
        text, mask = padded(conditions, name)
        tokens, grids = latents.to(text.dtype), [(1, *layout.grid)]
        if "source" in conditions[0]:
            tokens = torch.cat([tokens, columns(conditions, "source").to(text.dtype)], 1)
            rows, wide = (int(one) for one in conditions[0]["source_grid"][0])
            grids = [*grids, (1, rows, wide)]
        found = self.pipeline.transformer(
            hidden_states=tokens, timestep=sigmas.to(text.dtype), guidance=None, encoder_hidden_states=text,
            encoder_hidden_states_mask=mask, img_shapes=[grids] * len(latents), attention_kwargs={}, return_dict=False,
        )[0]  # fmt: skip
        velocity: Tensor = found[:, : latents.shape[1]].float()
        return velocity

    def decode(self, latents: Tensor, layout: Layout) -> Tensor:
        """Pictures from the VAE, which takes them for films of one frame."""
        vae = self.pipeline.vae
        picture = layout.unpack(latents).unsqueeze(2).to(vae.dtype)
        mean, deviation = (torch.tensor(one, device=picture.device, dtype=picture.dtype).view(1, -1, 1, 1, 1)
                           for one in (vae.config.latents_mean, vae.config.latents_std))  # fmt: skip
        decoded = vae.decode(picture * deviation + mean, return_dict=False)[0][:, :, 0]
        pixels: Tensor = self.pipeline.image_processor.postprocess(decoded, output_type="pt")
        return pixels


def looked_at(pipeline: Any, source: Size) -> Size:
    """The size at which a source is looked at, by the pipeline's own rule."""
    width, height, _ = sys.modules[type(pipeline).__module__].calculate_dimensions(AREA, source[0] / source[1])
    return int(width), int(height)


FAMILY = QwenImage
