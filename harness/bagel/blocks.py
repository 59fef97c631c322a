"""The convolutional blocks of the image space's autoencoder.

Shapes: B pictures, C channels, height and width in cells of the resolution at hand.
Latent diffusion's blocks (arXiv 2112.10752), with the parameter names of FLUX's `ae.safetensors`.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention, silu

NORM_GROUPS = 32
NORM_EPSILON = 1e-6


def group_norm(width: int) -> nn.GroupNorm:
    """The one norm that all blocks use."""
    return nn.GroupNorm(NORM_GROUPS, width, eps=NORM_EPSILON)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is a 1x1 convolution where the width changes."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(before), nn.Conv2d(before, after, 3, padding=1)
        self.norm2, self.conv2 = group_norm(after), nn.Conv2d(after, after, 3, padding=1)
        self.nin_shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, before, height, width) to (B, after, height, width)."""
        change = self.conv1(silu(self.norm1(hidden)))
        change = self.conv2(silu(self.norm2(change)))
        out: Tensor = self.nin_shortcut(hidden) + change
        return out


class AttentionBlock(nn.Module):
    """Full attention between all cells, with one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = group_norm(width)
        self.q, self.k, self.v = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape."""
        normed = self.norm(hidden)
        # one head of all channels: (B, C, height, width) as (B, 1, cells, C)
        query, key, value = (one(normed).flatten(2).transpose(1, 2)[:, None] for one in (self.q, self.k, self.v))
        read = scaled_dot_product_attention(query, key, value)[:, 0].transpose(1, 2)
        out: Tensor = hidden + self.proj_out(read.reshape(hidden.shape))
        return out


class Middle(nn.Module):
    """The lowest resolution: attention between two residual blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1, self.attn_1, self.block_2 = (
            ResidualBlock(width, width),
            AttentionBlock(width),
            ResidualBlock(width, width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape."""
        out: Tensor = self.block_2(self.attn_1(self.block_1(hidden)))
        return out


class Downsample(nn.Module):
    """Half the sides, by a strided convolution padded on the right and below only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, height, width) to (B, C, height / 2, width / 2)."""
        out: Tensor = self.conv(pad(hidden, (0, 1, 0, 1)))
        return out


class Upsample(nn.Module):
    """Twice the sides, by repeating each cell and a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, height, width) to (B, C, 2 height, 2 width)."""
        out: Tensor = self.conv(interpolate(hidden, scale_factor=2.0, mode="nearest"))
        return out


class Level(nn.Module):
    """The residual blocks of one resolution and the step to the next, named as the checkpoint names it."""

    def __init__(self, before: int, after: int, count: int, step: tuple[str, nn.Module] | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(before if number == 0 else after, after) for number in range(count))
        self.step = None if step is None else step[0]
        if step is not None:
            self.add_module(*step)

    def forward(self, hidden: Tensor) -> Tensor:
        """The features handed to the next level."""
        for block in self.block:
            hidden = block(hidden)
        if self.step is None:
            return hidden
        out: Tensor = self.get_submodule(self.step)(hidden)
        return out
