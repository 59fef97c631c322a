"""A CLIP of transformers: unit vectors of pictures and of texts in one space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 32
"""Pairs that are looked at together."""


class Clip:
    """The model with its processor and its words; texts longer than it reads are cut, as everywhere with CLIP."""

    def __init__(self, pretrained: str, revision: str | None, device: str) -> None:
        at: dict[str, Any] = {"revision": revision} if revision else {}
        self.processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
        self.tokenizer = AutoTokenizer.from_pretrained(pretrained, **at)
        self.model = AutoModel.from_pretrained(pretrained, **at).to(device).eval()
        self.device = device
        self.family: str = self.model.config.model_type
        self.id = f"clip:{pretrained.rstrip('/').rpartition('/')[2]}@{(revision or 'default')[:12]}"

    def cosines(self, images: Sequence[Image], texts: Sequence[str]) -> list[float]:
        """One cosine a pair, -1 to 1."""
        found: list[float] = []
        for start in range(0, len(images), BATCH):
            some = slice(start, start + BATCH)
            found += (self.pictures(images[some]) * self.texts(texts[some])).sum(dim=-1).tolist()
        return found

    @torch.inference_mode()
    def pictures(self, images: Sequence[Image]) -> torch.Tensor:
        """Unit vectors (images, width)."""
        plain = [one.convert("RGB") for one in images]
        pixels = self.processor(images=plain, return_tensors="pt").to(self.device)
        return unit(features(self.model.get_image_features(**pixels)))

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors (texts, width)."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self.device)
        return unit(features(self.model.get_text_features(**tokens)))


def features(found: Any) -> torch.Tensor:
    """The vectors, from a model that gives them alone or among other outputs."""
    vectors: torch.Tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
    return vectors


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors of length 1."""
    return torch.nn.functional.normalize(vectors, dim=-1)
