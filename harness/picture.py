"""Pictures as they are stored; how they are made plain and named is the business of whoever judges them."""

from __future__ import annotations

from PIL import Image

from reward.image_name import picture_name, plain

__all__ = ["is_blank", "picture_name", "plain"]


def is_blank(image: Image.Image) -> bool:
    """Whether all pixels are equal."""
    return plain(image).getcolors(1) is not None
