"""The colour of an object, by CLIP: GenEval's ten colours, its three templates, and its grey ground."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image as Pictures
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from reward.detection import Located
from reward.rules_geneval import COLOURS

if TYPE_CHECKING:
    from PIL.Image import Image

TEMPLATES = ("a photo of a {colour} {thing}", "a photo of a {colour}-colored {thing}", "a photo of a {colour} object")
GROUND = (0x99, 0x99, 0x99)
"""What lies where the object is not."""


def crop(image: Image, found: Located) -> Image:
    """The object alone: all but its mask grey, cut to its box."""
    left, top, right, bottom = found.box
    cut = (int(left), int(top), max(int(left) + 1, int(right)), max(int(top) + 1, int(bottom)))
    if found.mask is None:
        return image.crop(cut)
    ground = Pictures.new("RGB", image.size, GROUND)
    return Pictures.composite(image, ground, Pictures.fromarray(found.mask)).crop(cut)


class ClipColours:
    """Zero-shot classification; the vector of a colour is the mean over its templates."""

    def __init__(self, pretrained: str, revision: str | None, device: str) -> None:
        at: dict[str, Any] = {"revision": revision} if revision else {}
        self.processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
        self.tokenizer = AutoTokenizer.from_pretrained(pretrained, **at)
        self.model = AutoModel.from_pretrained(pretrained, **at).to(device).eval()
        self.device = device
        self.id = f"clip:{pretrained.rstrip('/').rpartition('/')[2]}@{(revision or 'default')[:12]}"
        self.vectors = lru_cache(maxsize=256)(self._vectors)

    @torch.inference_mode()
    def colours(self, image: Image, found: Sequence[Located]) -> list[str]:
        """The colour of each object."""
        if not found:
            return []
        crops = [crop(image.convert("RGB"), one) for one in found]
        pixels = self.processor(images=crops, return_tensors="pt").to(self.device)
        seen = unit(features(self.model.get_image_features(**pixels)))
        likeness = (self.vectors(one.class_name) @ vector for one, vector in zip(found, seen, strict=True))
        return [COLOURS[int(one.argmax())] for one in likeness]

    @torch.inference_mode()
    def _vectors(self, thing: str) -> torch.Tensor:
        """One unit vector a colour (10, width)."""
        texts = [template.format(colour=colour, thing=thing) for colour in COLOURS for template in TEMPLATES]
        tokens = self.tokenizer(texts, padding=True, return_tensors="pt").to(self.device)
        said = unit(features(self.model.get_text_features(**tokens)))
        return unit(said.view(len(COLOURS), len(TEMPLATES), -1).mean(dim=1))


def features(found: Any) -> torch.Tensor:
    """The vectors, from a model that gives them alone or among other outputs."""
    vectors: torch.Tensor = found if isinstance(found, torch.Tensor) else found.pooler_output
    return vectors


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors of length 1."""
    return torch.nn.functional.normalize(vectors, dim=-1)
