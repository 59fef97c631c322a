"""Drawing: from noise to latents along the grid, guided, many rows at once.

Shapes: B rows, N latent tokens, W numbers in a token. B is a multiple of the rows of each context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from harness.bagel.context import Context
from harness.bagel.guidance import Guidance, guide
from harness.bagel.model import Bagel, Canvas


@dataclass(frozen=True, slots=True)
class Contexts:
    """The three contexts of guidance (method.md 2.2); None where that branch is never read."""

    main: Context
    text_free: Context | None = None
    image_free: Context | None = None


def guided_velocity(
    model: Bagel, contexts: Contexts, latents: Tensor, sigma: float, canvas: Canvas, guidance: Guidance
) -> Tensor:
    """The velocity (B, N, W) at one noise level; all branches go through the model in one forward."""
    branches = [contexts.main]
    with_text = with_image = False
    if guidance.applies(sigma):
        with_text = contexts.text_free is not None and guidance.text > 1.0
        with_image = contexts.image_free is not None and guidance.image > 1.0
        branches += [contexts.text_free] if with_text and contexts.text_free is not None else []
        branches += [contexts.image_free] if with_image and contexts.image_free is not None else []
    count = len(branches)
    level = torch.full((latents.shape[0] * count,), sigma, dtype=torch.float32, device=latents.device)
    predicted = model.velocities(branches, latents.repeat(count, 1, 1), level, canvas.repeat(count))
    velocities = predicted.float().chunk(count)
    if count == 1:
        return velocities[0]
    text_free = velocities[1] if with_text else None
    return guide(velocities[0], text_free, velocities[-1] if with_image else None, guidance)


def draw(
    model: Bagel, contexts: Contexts, noise: Tensor, sigmas: Sequence[float], canvas: Canvas, guidance: Guidance
) -> Tensor:
    """Final latents (B, N, W) in float32 by Euler steps down the grid `sigmas`, from noise at sigmas[0]."""
    latents = noise.float()
    for here, there in pairwise(sigmas):
        latents = latents + guided_velocity(model, contexts, latents, here, canvas, guidance) * (there - here)
    return latents


def noise_for(seeds: Sequence[int], tokens: int, width: int) -> Tensor:
    """Initial noise (B, N, W) in float32, each row from its own generator on the CPU, so no batch can change it."""
    rows = [torch.randn(tokens, width, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)
