"""style: how like a picture is to the nearest reference of a style, by one encoder of pictures or the mean of two.

A query's text names the style; the answer is the largest cosine, as a number, for the reading `cosine`. References are
vectors by style (safetensors; the released ones are pickles, to be saved as such) or pictures in a folder a style.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as Pictures

from reward.verifier import Query, Reply

if TYPE_CHECKING:
    import torch

    from reward.embedding import PictureEncoder

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which encoders, and where their references are."""

    pretrained: str
    """A checkpoint of transformers with vectors of pictures (CLIP, SigLIP, DINOv2 and others)"""
    references: Path
    """A .safetensors file of vectors (number, width) by style, or a folder of pictures, STYLE/NAME.png"""
    second: str = ""
    """A second encoder, whose cosine is averaged with the first one's"""
    second_references: Path | None = None
    revision: str | None = None
    """Commit of the first checkpoint"""
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Sight:
    """An encoder and what it holds pictures against: unit vectors (number, width) by style."""

    encoder: PictureEncoder
    references: Mapping[str, torch.Tensor]

    def nearest(self, vectors: torch.Tensor, styles: Sequence[str]) -> list[float]:
        """The largest cosine of each picture with its style, not below 0."""
        pairs = zip(vectors, styles, strict=True)
        return [max(float((self.references[style] @ vector).max()), 0.0) for vector, style in pairs]


class StyleVerifier:
    """Answers with a cosine; a style without references is a failed reply."""

    def __init__(self, sights: Sequence[Sight], references: str) -> None:
        self.sights = sights
        self.id = f"style:{'+'.join(one.encoder.id for one in sights)} references {references}"
        stand_in = "+".join(one.encoder.name for one in sights)
        self.record: Mapping[str, Any] = {"name": "style", "requested": self.id, "mode": "rule", "stand_in": stand_in}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order."""
        able = [one for one in queries if len(one.images) == 1 and self._knows(one.text)]
        values = [0.0] * len(able)
        for sight in self.sights if able else ():
            vectors = sight.encoder.vectors([one.images[0] for one in able])
            found = sight.nearest(vectors, [one.text for one in able])
            values = [value + one / len(self.sights) for value, one in zip(values, found, strict=True)]
        left = iter(values)
        return [
            Reply("ok", f"{next(left):.9g}", served=self.id)
            if len(one.images) == 1 and self._knows(one.text)
            else Reply("parse_error", error=f"no reference of the style {one.text[:80]!r}", served=self.id)
            for one in queries
        ]

    def _knows(self, style: str) -> bool:
        return all(style in one.references for one in self.sights)


def build(arguments: Arguments) -> StyleVerifier:
    """The verifier; ValueError says what is missing."""
    if bool(arguments.second) != bool(arguments.second_references):
        raise ValueError("style: a second encoder goes with references of its own: second= and second_references=")
    try:
        open_encoder = importlib.import_module("reward.embedding").open_encoder
    except ImportError:
        raise ValueError("the verifier style needs transformers: install image-harness[models]") from None
    sights = [sight_of(open_encoder(arguments.pretrained, arguments.revision, arguments.device), arguments.references)]
    if arguments.second and arguments.second_references:
        sights.append(sight_of(open_encoder(arguments.second, None, arguments.device), arguments.second_references))
    return StyleVerifier(sights, "+".join(hash_of(one.references) for one in sights))


def sight_of(encoder: PictureEncoder, path: Path) -> Sight:
    """An encoder with its references; ValueError for a file that holds none of its width."""
    import torch

    found = of_pictures(encoder, path) if path.is_dir() else of_file(path)
    references = {}
    width = encoder.vectors([Pictures.new("RGB", (32, 32))]).shape[-1]
    for style, vectors in found.items():
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise ValueError(f"the references of {style!r} in {path} are no vectors of width {width}")
        references[style] = torch.nn.functional.normalize(vectors.float(), dim=-1)
    if not references:
        raise ValueError(f"{path} holds no references: vectors by style, or a folder of pictures for each style")
    return Sight(encoder, references)


def of_pictures(encoder: PictureEncoder, folder: Path) -> dict[str, torch.Tensor]:
    """The vectors of the pictures of each style; ValueError names a picture that cannot be read."""
    found = {}
    for style in sorted(one for one in folder.iterdir() if one.is_dir()):
        pictures = []
        for path in sorted(one for one in style.iterdir() if one.suffix.lower() in ENDINGS):
            try:
                with Pictures.open(path) as image:
                    pictures.append(image.convert("RGB"))
            except (OSError, SyntaxError) as error:
                raise ValueError(f"the reference {path} cannot be read: {error}") from None
        if pictures:
            found[style.name] = encoder.vectors(pictures)
    return found


def of_file(path: Path) -> dict[str, Any]:
    """The vectors of a safetensors file; ValueError for any other, pickles above all."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"there is no file or folder {path} of references")
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} is no .safetensors file, and pickles are never loaded: save its vectors as one")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no file of vectors: {error}") from None


def hash_of(references: Mapping[str, torch.Tensor]) -> str:
    """The first 12 hexadecimal digits of a SHA-256 over styles and vectors."""
    whole = hashlib.sha256()
    for style, vectors in sorted(references.items()):
        whole.update(style.encode())
        whole.update(vectors.contiguous().numpy().tobytes())
    return whole.hexdigest()[:12]
