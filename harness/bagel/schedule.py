"""The noise levels an image passes through."""

from __future__ import annotations

import torch
from torch import Tensor


def sigma_grid(points: int, shift: float = 3.0) -> Tensor:
    """Noise levels (points,) in float32, from 1 to 0: linear times, shifted once (method.md section 1).

    BAGEL counts grid points, so `points` makes points - 1 transitions. ValueError for fewer than 2.
    """
    if points < 2:
        raise ValueError(f"a grid needs at least 2 points, not {points}")
    time = torch.linspace(1.0, 0.0, points, dtype=torch.float64)
    return (shift * time / (1.0 + (shift - 1.0) * time)).float()
