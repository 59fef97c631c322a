"""Pictures as they are judged and named: plain RGB, and the hash of their pixels."""

from __future__ import annotations

import hashlib

from PIL import Image


def plain(image: Image.Image) -> Image.Image:
    """RGB; what is transparent lies on white, so that what is judged is what is stored."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        solid = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", solid.size, (255, 255, 255, 255)), solid)
    return image.convert("RGB")


def picture_name(image: Image.Image) -> str:
    """A picture's name: the hash of its size and pixels, whatever file they come in (harness.md 3)."""
    rgb = plain(image)
    return hashlib.sha256(f"RGB {rgb.width}x{rgb.height}\n".encode() + rgb.tobytes()).hexdigest()
