"""Pictures that a task names but does not hold in memory: the source images of editing benchmarks.

A picture is opened when its pixels are wanted, and only the last few stay in memory. One that is nowhere is still an
image of its sample, so that the sample can be counted; asking for its pixels says which file is missing.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

MOST_OPEN = 24
"""Pictures whose pixels stay in memory."""
LARGEST = 64_000_000
"""Pixels of the largest picture that is opened."""
_open: OrderedDict[int, PictureFile] = OrderedDict()
_turn = threading.Lock()


class PictureFile(Image.Image):
    """An RGB image that reads its file when its pixels are wanted; FileNotFoundError where there is none."""

    def __init__(self, name: str, read: Callable[[], bytes | Path | None]) -> None:
        super().__init__()
        self.name, self.read = name, read
        self._mode = "RGB"
        self.pixels: Image.Image | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        found = self.read()
        return found is not None and (isinstance(found, bytes) or found.is_file())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.opened().size

    @property  # type: ignore[misc]
    def im(self) -> Any:
        """The pixels, as Pillow keeps them."""
        return self.opened().im

    def opened(self) -> Image.Image:
        """The picture with its pixels; the one that was not used for longest gives its own up."""
        pixels = self.pixels
        if pixels is None:
            pixels = read_rgb(self.name, self.read())
        with _turn:
            self.pixels = pixels
            _open[id(self)] = self
            _open.move_to_end(id(self))
            while len(_open) > MOST_OPEN:
                _open.popitem(last=False)[1].pixels = None
        return pixels


def read_rgb(name: str, found: bytes | Path | None) -> Image.Image:
    """A picture's pixels as RGB; FileNotFoundError or OSError says which picture it is about."""
    if found is None or (isinstance(found, Path) and not found.is_file()):
        raise FileNotFoundError(f"the picture {name} was not found{'' if found is None else f' at {found}'}")
    with Image.open(io.BytesIO(found) if isinstance(found, bytes) else found) as image:
        if image.width * image.height > LARGEST:
            raise OSError(f"the picture {name} has more than {LARGEST} pixels")
        return image.convert("RGB")


def absent(pictures: Sequence[Image.Image]) -> list[str]:
    """The names of pictures that are nowhere."""
    return [one.name for one in pictures if isinstance(one, PictureFile) and not one.exists]
