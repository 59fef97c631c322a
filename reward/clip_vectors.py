"""Vectors of pictures and texts in one space, from a checkpoint of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from reward.colour_clip import features, unit

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 32
"""Pairs that are looked at together."""


class ClipVectors:
    """Cosines by CLIP; texts longer than the model reads are cut, as everywhere with CLIP."""

    def __init__(self, pretrained: str, revision: str | None, device: str) -> None:
        at: dict[str, Any] = {"revision": revision} if revision else {}
        self.processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
        self.tokenizer = AutoTokenizer.from_pretrained(pretrained, **at)
        self.model = AutoModel.from_pretrained(pretrained, **at).to(device).eval()
        self.device = device
        self.id = f"clip:{pretrained.rstrip('/').rpartition('/')[2]}@{(revision or 'default')[:12]}"

    def cosines(self, images: Sequence[Image], texts: Sequence[str]) -> list[float]:
        """One cosine a pair, -1 to 1."""
        found: list[float] = []
        for start in range(0, len(images), BATCH):
            found += self._batch(images[start : start + BATCH], texts[start : start + BATCH])
        return found

    @torch.inference_mode()
    def _batch(self, images: Sequence[Image], texts: Sequence[str]) -> list[float]:
        pixels = self.processor(images=[one.convert("RGB") for one in images], return_tensors="pt").to(self.device)
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self.device)
        seen = unit(features(self.model.get_image_features(**pixels)))
        said = unit(features(self.model.get_text_features(**tokens)))
        cosines: list[float] = (seen * said).sum(dim=-1).tolist()
        return cosines
