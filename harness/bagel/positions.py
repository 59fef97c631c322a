"""Where a token stands: two-dimensional sine tables for image tokens, rotary angles for the language model."""

from __future__ import annotations

import torch
from torch import Tensor


def sine_table(side: int, width: int) -> Tensor:
    """A (side * side, width) table of 2-D sine-cosine positions, row by row (MAE, arXiv 2111.06377, as in BAGEL).

    The first half of the channels encodes the column, the second the row; each half is sines, then cosines.
    """
    quarter = width // 4
    frequency = 1.0 / 10000.0 ** (torch.arange(quarter, dtype=torch.float64) / quarter)
    angle = torch.arange(side, dtype=torch.float64)[:, None] * frequency
    wave = torch.cat([angle.sin(), angle.cos()], dim=1)
    columns = wave[None, :, :].expand(side, side, 2 * quarter)
    rows = wave[:, None, :].expand(side, side, 2 * quarter)
    return torch.cat([columns, rows], dim=2).reshape(side * side, 4 * quarter).float()


def grid_ids(rows: int, columns: int, side: int) -> Tensor:
    """Indices into a table of `side` columns for a grid of rows x columns, row by row."""
    if rows > side or columns > side:
        raise ValueError(f"a grid of {rows}x{columns} tokens does not fit the position table of side {side}")
    return (torch.arange(rows)[:, None] * side + torch.arange(columns)[None, :]).flatten()


def rotary(positions: Tensor, width: int, theta: float) -> tuple[Tensor, Tensor]:
    """What `rotate` multiplies heads by at integer positions (B, L): cosines and signed sines, (B, L, 1, width) each.

    Rotary embedding of RoFormer (arXiv 2104.09864), the channels of a pair half a width apart.
    """
    exponent = torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width
    angle = positions[..., None, None].float() * (1.0 / theta**exponent)
    cosine, sine = angle.cos(), angle.sin()
    return torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1)


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Heads (B, L, heads, width) turned by the angles."""
    first, second = heads.chunk(2, dim=-1)
    swapped = torch.cat([second, first], dim=-1)
    return torch.addcmul(heads * cosine.to(heads.dtype), swapped, sine.to(heads.dtype))


def time_wave(times: Tensor, width: int) -> Tensor:
    """Sinusoidal features (B, width) of times in [0, 1], cosines first (as in DiT, arXiv 2212.09748)."""
    half = width // 2
    frequency = 10000.0 ** (-torch.arange(half, dtype=torch.float32, device=times.device) / half)
    angle = times[:, None].float() * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=-1)
