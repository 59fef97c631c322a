"""How near things are: a depth estimator of transformers, its map from 0 (far) to 1 (near)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation

from reward.detection import Box
from tasks.registry import unknown

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

NEARNESS = {"dpt": True, "depth_anything": True, "glpn": False, "zoedepth": False}
"""Families, and whether what they give grows as things come nearer."""


class DepthEstimator:
    """One picture at a time; a family that gives distances, as depth_anything's metric ones do, is turned round."""

    def __init__(self, pretrained: str, revision: str | None, device: str) -> None:
        at: dict[str, Any] = {"revision": revision} if revision else {}
        config = AutoConfig.from_pretrained(pretrained, **at)
        family = config.model_type
        if family not in NEARNESS:
            raise ValueError(unknown("family of depth estimators", family, NEARNESS))
        metric = getattr(config, "depth_estimation_type", "relative") == "metric"
        self.near = NEARNESS[family] and not metric
        self.processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
        self.model = AutoModelForDepthEstimation.from_pretrained(pretrained, **at).to(device).eval()
        self.device = device

    def depths(self, image: Image, boxes: Sequence[Box], swapped: bool) -> list[float]:
        """The mean in each box of the picture, 0 far to 1 near."""
        nearness = self.nearness(image)
        return [mean_inside(nearness, box, swapped) for box in boxes]

    @torch.inference_mode()
    def nearness(self, image: Image) -> NDArray[np.float32]:
        """(height, width), 0 the farthest place of the picture and 1 the nearest; 0 where all are as far."""
        pixels = self.processor(images=image.convert("RGB"), return_tensors="pt").to(self.device)
        found = self.model(**pixels).predicted_depth.float()
        found = found if self.near else -found
        low, high = found.min(), found.max()
        scaled = (found - low) / (high - low) if high > low else torch.zeros_like(found)
        size = (image.height, image.width)
        whole = torch.nn.functional.interpolate(scaled[:, None], size=size, mode="bilinear", align_corners=True)
        return np.asarray(whole[0, 0].cpu(), dtype=np.float32)


def mean_inside(nearness: NDArray[np.float32], box: Box, swapped: bool) -> float:
    """The mean in a box; `swapped` takes x for y, as released, and gives NaN where nothing is left."""
    left, top, right, bottom = (max(0, int(side)) for side in box)
    if swapped:
        part = nearness[left:right, top:bottom]
        return float(part.mean()) if part.size else float("nan")
    left, top = min(left, nearness.shape[1] - 1), min(top, nearness.shape[0] - 1)
    return float(nearness[top : max(bottom, top + 1), left : max(right, left + 1)].mean())
