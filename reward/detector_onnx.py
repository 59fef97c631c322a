"""Any detector in an ONNX file, described by a YAML file: how pixels go in, and which outputs are what.

model: detector.onnx            # beside this file, or an absolute path
sha256: 0f3a...                 # optional; another file is refused
classes: [person, bicycle, ...] # in the order of the labels
first_label: 0                  # the label of the first class
size: [640, 640]                # width and height that go in; left out: as the picture is
scale: 255                      # pixels are divided by this, then mean and deviation are taken off
mean: [0, 0, 0]
deviation: [1, 1, 1]
input: images                   # left out: the first input
layout: NCHW                    # or CHW, NHWC
outputs: {boxes: boxes, scores: scores, labels: labels, masks: masks}   # masks are optional
boxes: pixels                   # of the size that goes in; or share, from 0 to 1
corners: xyxy                   # or yxyx, cxcywh
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime
import yaml
from PIL import Image as Pictures

from reward.detection import Box, Located
from tasks.registry import unknown

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Description:
    """The YAML file."""

    model: str
    classes: tuple[str, ...]
    outputs: Mapping[str, str]
    sha256: str = ""
    first_label: int = 0
    size: tuple[int, int] | None = None
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    input: str = ""
    layout: Literal["NCHW", "CHW", "NHWC"] = "NCHW"
    boxes: Literal["pixels", "share"] = "pixels"
    corners: Literal["xyxy", "yxyx", "cxcywh"] = "xyxy"


def read_description(path: Path) -> Description:
    """The YAML file; ValueError names a key that does not exist or is missing."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the detector's description {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"the detector's description {path} is not YAML: {error}") from None
    known = [one.name for one in fields(Description)]
    for name in content if isinstance(content, dict) else ["nothing"]:
        if name not in known:
            raise ValueError(unknown(f"key of {path.name}", str(name), known))
    for name in ("model", "classes", "outputs"):
        if name not in content:
            raise ValueError(f"the detector's description {path} needs the key {name!r}")
    for name in ("boxes", "scores", "labels"):
        if name not in content["outputs"]:
            raise ValueError(f"the outputs in {path} need {name!r}")
    for name, choices in (("layout", ("NCHW", "CHW", "NHWC")), ("boxes", ("pixels", "share")),
                          ("corners", ("xyxy", "yxyx", "cxcywh"))):  # fmt: skip
        if content.get(name, choices[0]) not in choices:
            raise ValueError(unknown(f"{name} in {path.name}", str(content[name]), choices))
    given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in content.items()}
    return Description(**given)


class OnnxDetector:
    """Runs the file on one picture at a time."""

    def __init__(self, path: Path, least: float) -> None:
        self.told, self.least = read_description(path), least
        file = path.parent / self.told.model
        if not file.is_file():
            raise ValueError(f"there is no detector {file}")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if self.told.sha256 and not digest.startswith(self.told.sha256.lower()):
            raise ValueError(f"{file} has the SHA-256 {digest[:12]} and not {self.told.sha256[:12]}")
        self.session = onnxruntime.InferenceSession(str(file), providers=onnxruntime.get_available_providers())
        described = hashlib.sha256(path.read_bytes()).hexdigest()
        self.id = f"onnx:{file.stem}@{digest[:12]} as {described[:8]} above {least:g}"
        self.stand_in = file.stem
        self.record: Mapping[str, Any] = {"model": file.name, "sha256": digest, "description_sha256": described}

    def detect(self, images: Sequence[Image], classes: Sequence[str]) -> list[list[Located]]:
        """What is found in each picture; ValueError for a class that the description does not name."""
        for one in classes:
            if one not in self.told.classes:
                raise ValueError(unknown(f"class of {self.told.model}", one, self.told.classes)[:300])
        return [self._look(image.convert("RGB")) for image in images]

    def _look(self, image: Image) -> list[Located]:
        told, size = self.told, self.told.size or image.size
        name = told.input or self.session.get_inputs()[0].name
        wanted = [one for one in ("boxes", "scores", "labels", "masks") if one in told.outputs]
        raw = self.session.run([told.outputs[one] for one in wanted], {name: pixels(image, size, told)})
        found = dict(zip(wanted, map(np.asarray, raw), strict=True))
        scores = found["scores"].reshape(-1)
        every = []
        for place in np.flatnonzero(scores > self.least):
            label = int(found["labels"].reshape(-1)[place]) - told.first_label
            if 0 <= label < len(told.classes):
                box = corners(found["boxes"].reshape(-1, 4)[place], told, size, image.size)
                mask = whole_mask(found["masks"], int(place), len(scores), image.size) if "masks" in found else None
                every.append(Located(told.classes[label], box, float(scores[place]), mask))
        return every


def pixels(image: Image, size: tuple[int, int], told: Description) -> Array:
    """The picture as the model wants it."""
    array = np.asarray(image.resize(size) if image.size != tuple(size) else image, dtype=np.float32)
    array = ((array / told.scale - np.asarray(told.mean)) / np.asarray(told.deviation)).astype(np.float32)
    if told.layout == "NHWC":
        return np.asarray(array[None])
    planes = np.ascontiguousarray(array.transpose(2, 0, 1))
    return np.asarray(planes[None] if told.layout == "NCHW" else planes)


def corners(raw: Array, told: Description, size: tuple[int, int], whole: tuple[int, int]) -> Box:
    """A box in pixels of the picture."""
    one, two, three, four = (float(side) for side in raw)
    left, top, right, bottom = {
        "xyxy": (one, two, three, four),
        "yxyx": (two, one, four, three),
        "cxcywh": (one - three / 2, two - four / 2, one + three / 2, two + four / 2),
    }[told.corners]
    across, down = whole if told.boxes == "share" else (whole[0] / size[0], whole[1] / size[1])
    return left * across, top * down, right * across, bottom * down


def whole_mask(masks: Array, place: int, count: int, size: tuple[int, int]) -> Array:
    """One mask of the whole picture; masks of the size that went in are stretched over it."""
    mask = masks.reshape(count, *masks.shape[-2:])[place]
    stretched = Pictures.fromarray(np.asarray(mask, dtype=np.float32)).resize(size)
    return np.asarray(stretched) > 0.5
