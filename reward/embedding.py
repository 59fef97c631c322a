"""An encoder of pictures from transformers: unit vectors of CLIP, SigLIP, DINOv2, ViT and others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoImageProcessor, AutoModel

from reward.clip import features, unit
from reward.sentences import weights_hash
from reward.vision_language import any_config

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 32
"""Pictures that are looked at together."""


class PictureEncoder:
    """The model with its processor; its id holds a hash of the weights, whatever folder they lie in."""

    def __init__(self, pretrained: str, revision: str | None, device: str) -> None:
        at: dict[str, Any] = {"revision": revision} if revision else {}
        config = any_config(pretrained, at)
        self.joint = "vision_config" in config.to_dict()  # such a model encodes texts as well
        self.processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
        self.model = AutoModel.from_pretrained(pretrained, **at).to(device).eval()
        self.device = device
        eyes = config.vision_config if self.joint else config
        self.name = f"{config.model_type}-{eyes.num_hidden_layers}x{eyes.hidden_size}"
        self.id = f"{self.name}@{weights_hash(self.model)}"

    @torch.inference_mode()
    def vectors(self, images: Sequence[Image]) -> torch.Tensor:
        """Unit vectors (images, width)."""
        found = []
        for start in range(0, len(images), BATCH):
            plain = [one.convert("RGB") for one in images[start : start + BATCH]]
            pixels = self.processor(images=plain, return_tensors="pt").to(self.device)
            found.append(features(self.model.get_image_features(**pixels) if self.joint else self.model(**pixels)))
        return unit(torch.cat(found))


def open_encoder(pretrained: str, revision: str | None, device: str) -> PictureEncoder:
    """The encoder; ValueError where it cannot be had."""
    try:
        return PictureEncoder(pretrained, revision, device)
    except OSError as error:
        raise ValueError(f"the encoder {pretrained} cannot be had: {error}".split("\n")[0]) from None
