"""Changes that leave the truth as it is: what a verifier answers should not move with them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace

from PIL import Image

from harness.known import Known

QUALITY, SHRINK = 75, 0.75
"""JPEG quality, and the factor of the sides."""
Asked = list[tuple[int, Known]]
"""Questions with their places in the set."""


def compressed(image: Image.Image) -> Image.Image:
    """Through JPEG of quality 75."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    buffer.seek(0)
    with Image.open(buffer) as found:
        return found.convert("RGB")


def resized(image: Image.Image) -> Image.Image:
    """Three quarters of the width and height, and back again."""
    small = image.resize([max(1, round(side * SHRINK)) for side in image.size], Image.Resampling.LANCZOS)
    return small.resize(image.size, Image.Resampling.LANCZOS)


def each_picture(change: Callable[[Image.Image], Image.Image]) -> Callable[[Asked], Asked]:
    """Every picture changed once, for all its questions."""

    def disturb(asked: Asked) -> Asked:
        changed: dict[int, Image.Image] = {}
        for _, one in asked:
            if id(one.image) not in changed:
                changed[id(one.image)] = change(one.image)
        return [(place, replace(one, image=changed[id(one.image)])) for place, one in asked]

    return disturb


DISTURBANCES: Mapping[str, Callable[[Asked], Asked]] = {
    "again": lambda asked: asked,
    "order": lambda asked: asked[::-1],
    "jpeg": each_picture(compressed),
    "resize": each_picture(resized),
}
"""The same question asked again; the questions in reverse order; pictures through JPEG 75; pictures at 3/4 and back."""
