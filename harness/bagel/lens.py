"""The sizes at which a unified model reads a given picture: BAGEL's rules for the image space and for the eyes."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from harness.bagel.config import BagelConfig
from reward.image_name import plain

LEAST_PATCHES = 16
"""Patches that the eyes are given along the shorter side at least, if the table of positions has that many."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Pixels along the sides of a picture."""

    longest: int
    shortest: int
    stride: int
    """Every side is a multiple of it"""

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """The size a picture is brought to: its shape is kept, up to the stride.

        The longer side comes down to `longest`, then the shorter one up to `shortest`, and if the longer one is then
        above its limit the limit wins (ByteDance-Seed/Bagel's transform of images; its bound on pixels never binds at
        these sizes). ValueError for a picture so long that one stride would widen it.
        """
        long, short = max(width, height), min(width, height)
        if long * self.stride > short * self.longest:
            raise ValueError(
                f"the image of {width} x {height} pixels is more than {self.longest // self.stride} times as long as "
                "it is wide, and the model cannot read it; crop it"
            )
        scale = max(min(self.longest / long, 1.0), self.shortest / short)
        size = self.scaled((width, height), scale)
        over = max(size) / self.longest
        return self.scaled(size, 1.0 / over) if over > 1.0 else size

    def scaled(self, size: tuple[int, int], scale: float) -> tuple[int, int]:
        """Both sides times a number, to the nearest multiple of the stride but at least one."""
        width, height = (max(1, round(round(side * scale) / self.stride)) * self.stride for side in size)
        return width, height


@dataclass(frozen=True, slots=True)
class Lens:
    """How a given picture is brought in front of the model, once for each form in which it is read."""

    latents: Limits
    patches: Limits | None
    """None where the model has no eyes"""

    @classmethod
    def of(cls, config: BagelConfig) -> Lens:
        """The limits of a shape; BAGEL's are 512 to 1024 pixels in steps of 16, and 224 to 980 in steps of 14."""
        longest = config.max_latent_size * config.downsample
        latents = Limits(longest, longest // 2, config.downsample)
        if config.vit is None:
            return cls(latents, None)
        patch, side = config.vit.patch_size, config.vit.side
        return cls(latents, Limits(side * patch, min(LEAST_PATCHES, side) * patch, patch))

    def whole(self, picture: Image.Image) -> Image.Image:
        """The picture as the image space encodes it, and of the size that its edit will have."""
        return resized(plain(picture), self.latents)

    def seen(self, whole: Image.Image) -> Image.Image:
        """The picture as the eyes see it, made from what the image space encodes."""
        return whole if self.patches is None else resized(whole, self.patches)


def resized(picture: Image.Image, limits: Limits) -> Image.Image:
    """A picture within the limits; one that lies within them already is left as it is."""
    size = limits.fit(*picture.size)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC)
