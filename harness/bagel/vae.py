"""The image space of a unified model: FLUX's autoencoder, or the pixels themselves.

Shapes: B pictures, C channels of a latent; pixels lie in [-1, 1].
Parameter names are those of FLUX's `ae.safetensors`, which BAGEL ships unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from harness.bagel.blocks import Downsample, Level, Middle, Upsample, group_norm

OFFICIAL = {
    "in_channels": "in_channels",
    "out_channels": "out_ch",
    "base_channels": "ch",
    "channel_multipliers": "ch_mult",
    "num_res_blocks": "num_res_blocks",
    "z_channels": "z_channels",
    "downsample": "downsample",
    "scale_factor": "scale_factor",
    "shift_factor": "shift_factor",
}
"""Our names of the shape, and those of FLUX's `AutoEncoderParams`."""


@dataclass(frozen=True, slots=True)
class VaeConfig:
    """The autoencoder's shape, and the spread of its latents."""

    in_channels: int
    out_channels: int
    base_channels: int
    channel_multipliers: tuple[int, ...]
    """Width of each level in base channels, finest first; every level but the last halves the sides."""
    num_res_blocks: int
    z_channels: int
    downsample: int
    """Pixels along a side of a latent."""
    scale_factor: float
    shift_factor: float

    def __post_init__(self) -> None:
        levels = len(self.channel_multipliers)
        if self.downsample != 2 ** (levels - 1):
            raise ValueError(
                f"an autoencoder of {levels} levels downsamples by {2 ** (levels - 1)}, not by {self.downsample}"
            )

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> VaeConfig:
        """From official keys, others ignored; ValueError names those that are missing."""
        missing = [key for key in OFFICIAL.values() if key not in found]
        if missing:
            raise ValueError(f"the configuration of the autoencoder lacks {', '.join(missing)}")
        values = {name: found[key] for name, key in OFFICIAL.items()}
        return cls(**{**values, "channel_multipliers": tuple(values["channel_multipliers"])})

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return tuple(self.base_channels * times for times in self.channel_multipliers)


PUBLISHED = VaeConfig(3, 3, 128, (1, 2, 4, 4), 2, z_channels=16, downsample=8, scale_factor=0.3611, shift_factor=0.1159)
"""The autoencoder of FLUX.1 and BAGEL."""


class Encoder(nn.Module):
    """Pixels to the mean and log-variance of their latents."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = config.widths
        self.conv_in = nn.Conv2d(config.in_channels, config.base_channels, 3, padding=1)
        self.down = nn.ModuleList()
        before = config.base_channels
        for number, width in enumerate(widths):
            step = ("downsample", Downsample(width)) if number < len(widths) - 1 else None
            self.down.append(Level(before, width, config.num_res_blocks, step))
            before = width
        self.mid = Middle(before)
        self.norm_out = group_norm(before)
        self.conv_out = nn.Conv2d(before, 2 * config.z_channels, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, channels, height, width) to (B, 2 C, height / downsample, width / downsample)."""
        hidden = self.conv_in(pixels)
        for level in self.down:
            hidden = level(hidden)
        out: Tensor = self.conv_out(silu(self.norm_out(self.mid(hidden))))
        return out


class Decoder(nn.Module):
    """Latents to pixels."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        widths = config.widths
        self.conv_in = nn.Conv2d(config.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1])
        self.up = nn.ModuleList()  # numbered from the finest level, and run from the coarsest
        for number, (before, width) in enumerate(zip((*widths[1:], widths[-1]), widths, strict=True)):
            step = ("upsample", Upsample(width)) if number > 0 else None
            self.up.append(Level(before, width, config.num_res_blocks + 1, step))
        self.norm_out = group_norm(widths[0])
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, height, width) to (B, channels, downsample x height, downsample x width)."""
        hidden = self.mid(self.conv_in(latents))
        for level in reversed(self.up):
            hidden = level(hidden)
        out: Tensor = self.conv_out(silu(self.norm_out(hidden)))
        return out


class Autoencoder(nn.Module):
    """FLUX's convolutional autoencoder; latents are shifted and scaled to about unit spread."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    @property
    def z_channels(self) -> int:
        """Channels of a latent."""
        return self.config.z_channels

    @property
    def downsample(self) -> int:
        """Pixels along a side of a latent."""
        return self.config.downsample

    def encode(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The latents' mean, or a draw around it when a generator is given."""
        mean, log_variance = self.encoder(pixels.to(self.encoder.conv_in.weight.dtype)).chunk(2, dim=1)
        if generator is not None:
            noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean)
            mean = mean + torch.exp(0.5 * log_variance) * noise
        latents: Tensor = self.config.scale_factor * (mean - self.config.shift_factor)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels, not clipped."""
        plain = latents.to(self.decoder.conv_in.weight.dtype) / self.config.scale_factor + self.config.shift_factor
        pixels: Tensor = self.decoder(plain)
        return pixels


class PixelSpace(nn.Module):
    """Draws in pixels: both ways change nothing."""

    z_channels = 3
    downsample = 1

    def encode(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002 - as above
        """The pixels."""
        return pixels

    def decode(self, latents: Tensor) -> Tensor:
        """The latents."""
        return latents


ImageSpace = Autoencoder | PixelSpace


def build_image_space(config: VaeConfig | None) -> ImageSpace:
    """The image space of a configuration, without weights; None draws in pixels."""
    return PixelSpace() if config is None else Autoencoder(config)
