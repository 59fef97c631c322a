"""Detectors from transformers: instance segmentation, boxes alone, and classes given in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForObjectDetection,
    AutoModelForUniversalSegmentation,
    AutoModelForZeroShotObjectDetection,
    AutoProcessor,
)

from reward.detection import Detector, Located
from tasks.registry import unknown

if TYPE_CHECKING:
    from PIL.Image import Image

REFERENCE = "mask2former"
"""The family of the detector that GenEval's figures are made with."""
SEGMENTS = ("mask2former", "maskformer")
BOXES = ("detr", "conditional_detr", "deformable_detr", "rt_detr", "rt_detr_v2", "d_fine", "yolos", "rf_detr")
WORDS = {
    "owlv2": "a photo of a {}",
    "owlvit": "a photo of a {}",
    "grounding-dino": "{}",
    "mm-grounding-dino": "{}",
}
"""Detectors of whatever is named, and how each was taught to hear a class."""
SPELLINGS = {
    "mouse": "computer mouse",
    "remote": "tv remote",
    "keyboard": "computer keyboard",
    "sofa": "couch",
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
    "hair dryer": "hair drier",
}
"""Other names of COCO's classes, and GenEval's."""
Found = Sequence[Located]


def spelled(label: str) -> str:
    """A class as GenEval spells it."""
    folded = label.strip().lower()
    return SPELLINGS.get(folded, folded)


class TransformersDetector:
    """One image at a time, so that what is found in a picture does not depend on the others."""

    def __init__(
        self,
        name: str,
        family: str,
        pretrained: str,
        known: Sequence[str],
        look: Callable[[Image, Sequence[str]], Found],
    ) -> None:
        self.id, self.known, self.look = name, known, look
        self.stand_in = "" if family == REFERENCE else family
        self.record: Mapping[str, Any] = {"pretrained": pretrained, "family": family}

    def detect(self, images: Sequence[Image], classes: Sequence[str]) -> list[list[Located]]:
        """What is found in each picture; ValueError for a class that the detector was never taught."""
        for one in classes if self.known else ():
            if spelled(one) not in self.known:
                raise ValueError(unknown(f"class of {self.id}", one, self.known)[:300])
        return [list(self.look(image.convert("RGB"), classes)) for image in images]


def build_detector(pretrained: str, revision: str | None, device: str, least: float) -> Detector:
    """A detector by its checkpoint, whose configuration says of which kind it is."""
    at: dict[str, Any] = {"revision": revision} if revision else {}
    config = AutoConfig.from_pretrained(pretrained, **at)
    family = config.model_type
    makers = {**dict.fromkeys(SEGMENTS, segments), **dict.fromkeys(BOXES, boxes), **dict.fromkeys(WORDS, words)}
    if family not in makers:
        raise ValueError(unknown("family of detectors", family, makers))
    look = makers[family](pretrained, at, device, least, family)
    known = [] if family in WORDS else sorted({spelled(label) for label in config.id2label.values()})
    commit = revision or getattr(config, "_commit_hash", None) or "local"
    name = f"{family}:{pretrained.rstrip('/').rpartition('/')[2]}@{commit[:12]} above {least:g}"
    return TransformersDetector(name, family, pretrained, known, look)


def segments(pretrained: str, at: Mapping[str, Any], device: str, least: float, _: str) -> Callable[..., Found]:
    """Masks, each with the box around it (Mask2Former, MaskFormer)."""
    processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
    model = AutoModelForUniversalSegmentation.from_pretrained(pretrained, **at).to(device).eval()

    @torch.inference_mode()
    def look(image: Image, classes: Sequence[str]) -> Found:  # noqa: ARG001 - all of its own classes are found
        outputs = model(**processor(images=image, return_tensors="pt").to(device))
        (found,) = processor.post_process_instance_segmentation(
            outputs, threshold=least, target_sizes=[(image.height, image.width)], return_binary_maps=True
        )
        masks = np.asarray(found["segmentation"].cpu()) > 0.5
        labels = [spelled(model.config.id2label[one["label_id"]]) for one in found["segments_info"]]
        return [
            Located(label, around(masks[one["id"]]), one["score"], masks[one["id"]])
            for label, one in zip(labels, found["segments_info"], strict=True)
        ]

    return look


def boxes(pretrained: str, at: Mapping[str, Any], device: str, least: float, _: str) -> Callable[..., Found]:
    """Boxes of a fixed list of classes (DETR and its descendants)."""
    processor = AutoImageProcessor.from_pretrained(pretrained, backend="pil", **at)  # type: ignore[no-untyped-call]
    model = AutoModelForObjectDetection.from_pretrained(pretrained, **at).to(device).eval()

    @torch.inference_mode()
    def look(image: Image, classes: Sequence[str]) -> Found:  # noqa: ARG001 - all of its own classes are found
        outputs = model(**processor(images=image, return_tensors="pt").to(device))
        (found,) = processor.post_process_object_detection(
            outputs, threshold=least, target_sizes=[(image.height, image.width)]
        )
        return located(found, [spelled(model.config.id2label[int(label)]) for label in found["labels"]])

    return look


def words(pretrained: str, at: Mapping[str, Any], device: str, least: float, family: str) -> Callable[..., Found]:
    """Boxes of whatever is named (OWLv2, Grounding DINO): one class a pass, so that no phrase runs into another."""
    processor = AutoProcessor.from_pretrained(pretrained, **at)  # type: ignore[no-untyped-call]
    model = AutoModelForZeroShotObjectDetection.from_pretrained(pretrained, **at).to(device).eval()

    @torch.inference_mode()
    def look(image: Image, classes: Sequence[str]) -> Found:
        every: list[Located] = []
        for name in classes:
            phrase = WORDS[family].format(name)
            inputs = processor(images=image, text=[[phrase]], return_tensors="pt").to(device)
            (found,) = processor.post_process_grounded_object_detection(
                model(**inputs), threshold=least, target_sizes=[(image.height, image.width)]
            )
            every += located(found, [name] * len(found["scores"]))
        return every

    return look


def located(found: Mapping[str, Any], names: Sequence[str]) -> list[Located]:
    """Boxes and scores as a processor gives them."""
    every = zip(names, found["boxes"].tolist(), found["scores"].tolist(), strict=True)
    return [Located(name, (box[0], box[1], box[2], box[3]), score) for name, box, score in every]


def around(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[float, float, float, float]:
    """The box around a mask (height, width), its far sides just outside the last pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
