"""The colour of an object, by CLIP: GenEval's ten colours, its three templates, and its grey ground."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from PIL import Image as Pictures

from reward.clip import Clip, unit
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
        self.clip = Clip(pretrained, revision, device)
        self.id = self.clip.id
        self.vectors = lru_cache(maxsize=256)(self._vectors)

    def colours(self, image: Image, found: Sequence[Located]) -> list[str]:
        """The colour of each object."""
        if not found:
            return []
        seen = self.clip.pictures([crop(image.convert("RGB"), one) for one in found])
        likeness = (self.vectors(one.class_name) @ vector for one, vector in zip(found, seen, strict=True))
        return [COLOURS[int(one.argmax())] for one in likeness]

    def _vectors(self, thing: str) -> torch.Tensor:
        """One unit vector a colour (10, width)."""
        texts = [template.format(colour=colour, thing=thing) for colour in COLOURS for template in TEMPLATES]
        said = self.clip.texts(texts)
        return unit(said.view(len(COLOURS), len(TEMPLATES), -1).mean(dim=1))
