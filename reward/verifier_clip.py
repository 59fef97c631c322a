"""clip: how like a picture is to a text, as the cosine of CLIP's vectors; for scores that are a cosine themselves."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL.Image import Image

from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which checkpoint."""

    pretrained: str = "openai/clip-vit-base-patch32"
    """A checkpoint of transformers with image and text vectors of one space (CLIP, SigLIP and others)"""
    revision: str | None = None
    """Its commit"""
    device: str = "cpu"


class Vectors(Protocol):
    """Gives the cosine of each picture with its text."""

    id: str
    family: str

    def cosines(self, images: Sequence[Image], texts: Sequence[str]) -> list[float]:
        """One cosine a pair, -1 to 1."""
        ...


class ClipVerifier:
    """Answers with a cosine, written as a number; the reading `cosine` takes it."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.id = vectors.id
        self.record: Mapping[str, Any] = {
            "name": "clip",
            "requested": vectors.id,
            "mode": "rule",
            "family": vectors.family,
        }

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; a query about several pictures or none is a failed reply."""
        able = [one for one in queries if len(one.images) == 1]
        found = iter(self.vectors.cosines([one.images[0] for one in able], [one.text for one in able]) if able else ())
        wrong = Reply("parse_error", error="clip looks at one picture", served=self.id)
        return [Reply("ok", f"{next(found):.9g}", served=self.id) if len(one.images) == 1 else wrong for one in queries]


def build(arguments: Arguments) -> ClipVerifier:
    """The verifier; ValueError says why there is none."""
    try:
        open_vectors = importlib.import_module("reward.clip").Clip
    except ImportError:
        raise ValueError("the verifier clip needs transformers: install image-harness[models]") from None
    try:
        return ClipVerifier(open_vectors(arguments.pretrained, arguments.revision, arguments.device))
    except OSError as error:
        raise ValueError(f"{arguments.pretrained} cannot be had: {error}".split("\n")[0]) from None
