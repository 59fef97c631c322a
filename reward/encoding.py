"""Pictures on the wire: each one PNG, encoded once whatever number of questions is asked about it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from reward.image_name import picture_name, plain
from reward.verifier import Query

COMPRESSION = 1
"""zlib's fastest level: lossless all the same, and most of the time spent on a call is spent here."""


class Encoded:
    """A picture as base64 PNG, encoded when first asked for and shared by all threads."""

    def __init__(self, image: Image.Image, max_side: int | None = None) -> None:
        self.image, self.max_side = image, max_side
        self.lock = threading.Lock()
        self.content: bytes | None = None
        self.known_as = ""
        self.users = 0

    def base64(self) -> bytes:
        """The bytes that stand in a request."""
        with self.lock:
            if self.content is None:
                self.content = base64.b64encode(png(self.image, self.max_side))
            return self.content

    def pixels(self) -> str:
        """The name of the picture as it is, whatever its size on the wire."""
        with self.lock:
            self.known_as = self.known_as or picture_name(self.image)
            return self.known_as

    def name(self) -> str:
        """SHA-256 of the PNG file that travels."""
        return hashlib.sha256(base64.b64decode(self.base64())).hexdigest()

    def leave(self) -> None:
        """One user less; without any the bytes go, so that memory follows what is in flight."""
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.content = None


def png(image: Image.Image, max_side: int | None = None) -> bytes:
    """A picture as a PNG file, no side longer than `max_side`."""
    buffer = io.BytesIO()
    shrunk(image, max_side).save(buffer, "PNG", compress_level=COMPRESSION)
    return buffer.getvalue()


def shrunk(image: Image.Image, max_side: int | None) -> Image.Image:
    """The picture in RGB, no side longer than `max_side`."""
    image = plain(image)
    if max_side is not None and max(image.size) > max_side:
        image = image.copy()
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return image


def encode_all(queries: Sequence[Query], max_side: int | None) -> dict[int, Encoded]:
    """One `Encoded` a picture, by the picture's identity."""
    images = {id(image): image for query in queries for image in query.images}
    return {one: Encoded(image, max_side) for one, image in images.items()}


def mark(place: int) -> str:
    """What stands in a payload for the picture at that place; no text that went through `spoken` can spell it."""
    return f"\x00{place}\x00"


def spoken(text: str) -> str:
    """A text without the null characters that mark pictures."""
    return text.replace("\x00", "")


def compose(payload: Mapping[str, Any], pictures: Sequence[Encoded]) -> bytes:
    """The payload as JSON with the pictures in place of their marks.

    Base64 needs no escaping: a large picture is copied once and never looked at by the JSON encoder.
    """
    text = json.dumps(payload, separators=(",", ":")).encode()
    for place, picture in enumerate(pictures):
        text = text.replace(json.dumps(mark(place))[1:-1].encode(), picture.base64())
    return text
