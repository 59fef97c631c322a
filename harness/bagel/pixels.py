"""Pictures to latent tokens and back.

Shapes: B pictures, N = rows x columns tokens of W = patch * patch * channels numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_patches(latents: Tensor, patch: int) -> Tensor:
    """Latents (B, channels, height, width) as tokens (B, N, W), each patch row by row with channels last."""
    batch, channels, height, width = latents.shape
    grid = latents.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def from_patches(tokens: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """The inverse of `to_patches`."""
    grid = tokens.reshape(tokens.shape[0], rows, columns, patch, patch, -1)
    return grid.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """Pictures of one size as (B, 3, height, width) in [-1, 1]."""
    arrays = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_pictures(pixels: Tensor) -> list[Image.Image]:
    """(B, 3, height, width) in [-1, 1] as pictures; values outside are clipped, halves round to even."""
    levels = ((pixels.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(level) for level in levels]
