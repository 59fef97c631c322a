"""A family of flow models: the network, grid, text encoders and VAE of a diffusers pipeline, behind five methods.

The pipeline's own parts are used as they are; with noise off a drawing equals the pipeline's own call.
Shapes: B rows, N latent tokens, D numbers in a token, C channels, H and W of a latent picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from PIL import Image
from torch import Tensor

from harness.call_arguments import Size
from harness.extra import extra
from tasks.sample import Request

Condition = Mapping[str, Tensor]
"""What the network reads of one request: embeddings and latents of its sources, first dimension 1."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a latent picture (C, H, W) lies in tokens (N, D): patches of `patch` x `patch`, row by row."""

    channels: int
    height: int
    width: int
    patch: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.height // self.patch, self.width // self.patch

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        rows, columns = self.grid
        return rows * columns, self.channels * self.patch**2

    def pack(self, latents: Tensor) -> Tensor:
        """(B, C, H, W) as tokens (B, N, D)."""
        (rows, columns), patch = self.grid, self.patch
        parts = latents.reshape(-1, self.channels, rows, patch, columns, patch)
        return parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, *self.shape)

    def unpack(self, tokens: Tensor) -> Tensor:
        """(B, N, D) as (B, C, H, W)."""
        (rows, columns), patch = self.grid, self.patch
        parts = tokens.reshape(-1, rows, columns, self.channels, patch, patch)
        return parts.permute(0, 3, 1, 4, 2, 5).reshape(-1, self.channels, self.height, self.width)

    def noise(self, generator: torch.Generator) -> Tensor:
        """Initial tokens (N, D), the numbers that a pipeline draws from the same generator."""
        return self.pack(torch.randn((1, self.channels, self.height, self.width), generator=generator))[0]


FAMILIES = {
    "StableDiffusion3Pipeline": "trainer.policy_sd3",
    "FluxPipeline": "trainer.policy_flux",
    "FluxKontextPipeline": "trainer.policy_flux",
    "QwenImagePipeline": "trainer.policy_qwen",
    "QwenImageEditPipeline": "trainer.policy_qwen",
    "SanaPipeline": "trainer.policy_sana",
}
"""Classes of diffusers that can be trained; each module has FAMILY, TARGETS and a default for the empty prompt."""


class Family(Protocol):
    """One file a family: `trainer/policy_sd3.py` is the shortest."""

    pipeline: Any
    guidance: float
    """Guidance scale as the pipeline means it; 1 draws without."""
    negative: str
    """The prompt that guidance leads away from."""
    branches: ClassVar[int]
    """Forwards of a guided velocity; 1 where guidance is a number that the network reads."""

    def encode(self, request: Request, size: Size) -> dict[str, Tensor]:
        """What the network reads of a request, drawn at a size."""
        ...

    def layout(self, size: Size) -> Layout:
        """How a picture of this size lies in tokens."""
        ...

    def sigmas(self, steps: int, layout: Layout) -> list[float]:
        """The scheduler's noise levels (steps + 1,), shifted once."""
        ...

    def velocity(self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout) -> Tensor:
        """The guided velocity (B, N, D) in float32 of rows at levels (B,) of their own."""
        ...

    def decode(self, latents: Tensor, layout: Layout) -> Tensor:
        """Pictures (B, 3, height, width) between 0 and 1."""
        ...


def one_token_a_pixel(pipeline: Any, size: Size) -> Layout:
    """The layout of a transformer that cuts latent pictures into patches by itself."""
    factor = pipeline.vae_scale_factor
    return Layout(pipeline.transformer.config.in_channels, size[1] // factor, size[0] // factor)


def led_away(tokens: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (2 B, N, D) to (B, N, D), those without the prompt first; 1 and less is no guidance."""
    if guidance <= 1.0:
        return tokens
    without, given = tokens.chunk(2)
    return without + guidance * (given - without)


def columns(conditions: Sequence[Condition], name: str) -> Tensor:
    """One entry of all rows, in one tensor."""
    return torch.cat([one[name] for one in conditions])


def padded(conditions: Sequence[Condition], name: str) -> tuple[Tensor, Tensor | None]:
    """Texts (B, L, ...) of all rows with zeros behind the shorter ones, and a mask (B, L) where there are any."""
    texts = [one[name] for one in conditions]
    lengths = [text.shape[1] for text in texts]
    longest = max(lengths)
    if min(lengths) == longest:
        return torch.cat(texts), None
    wide = [torch.cat([text, text.new_zeros(1, longest - text.shape[1], *text.shape[2:])], 1) for text in texts]
    places = torch.arange(longest, device=texts[0].device)
    return torch.cat(wide), (places[None] < torch.tensor(lengths, device=places.device)[:, None]).long()


def flow_scheduler(pipeline: Any) -> Any:
    """The pipeline's Euler scheduler of flow matching; for another flow solver, Euler on the grid of the same shift."""
    scheduler = pipeline.scheduler
    euler = extra("diffusers", "models").FlowMatchEulerDiscreteScheduler
    if isinstance(scheduler, euler):
        return scheduler
    shift = scheduler.config.get("flow_shift") or scheduler.config.get("shift")
    if shift is None or not scheduler.config.get("use_flow_sigmas", True):
        raise ValueError(
            f"{type(scheduler).__name__} is no scheduler of a flow; its noise levels do not end at 0 and 1"
        )
    return euler(shift=float(shift))


def grid_of(pipeline: Any, steps: int, tokens: int, spaced: bool) -> list[float]:
    """The scheduler's noise levels (steps + 1,); `spaced` starts from 1 - k / steps, as FLUX and Qwen-Image do."""
    scheduler = flow_scheduler(pipeline)
    config = scheduler.config
    more: dict[str, Any] = {"sigmas": [1.0 - place / steps for place in range(steps)]} if spaced else {}
    if config.get("use_dynamic_shifting"):
        low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        slope = (config.get("max_shift", 1.15) - config.get("base_shift", 0.5)) / (high - low)
        more["mu"] = tokens * slope + config.get("base_shift", 0.5) - slope * low
    scheduler.set_timesteps(steps, device="cpu", **more)
    return [float(one) for one in scheduler.sigmas]


def fitted(image: Image.Image, size: Size) -> Image.Image:
    """A source at the size of the drawing, as the pipelines resize it."""
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def no_sources(family: str, request: Request) -> None:
    """ValueError for a request to edit, asked of a family that only draws."""
    if request.sources:
        raise ValueError(f"{family} draws from a prompt and takes no image to edit")
