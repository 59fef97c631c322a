"""blank: grey squares in the place of pictures that are not at hand, for answers that are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from harness.model import Setting
from tasks.sample import Request, Response


@dataclass(frozen=True, slots=True)
class Arguments:
    """Whose pictures the squares stand for."""

    name: str = "unnamed"
    """The model that made the pictures which the recorded answers are about"""


class BlankModel:
    """Gives the same square for every request; a verifier that looks at it sees nothing."""

    def __init__(self, name: str) -> None:
        self.id = f"blank:{name}"
        self.record: Mapping[str, Any] = {"name": name, "pictures": "none: grey squares stand for them"}

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:  # noqa: ARG002 - all alike
        """A square for each request."""
        return [Response(Image.new("RGB", (8, 8), (128, 128, 128))) for _ in requests]


def build(arguments: Arguments, setting: Setting) -> BlankModel:  # noqa: ARG001 - the registry's signature
    """The squares as a model."""
    return BlankModel(arguments.name)
