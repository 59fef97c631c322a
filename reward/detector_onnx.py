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
outputs: {boxes: boxes, scores: scores, labels: labels, masks: masks}   # masks are optional; or, in the place of
                                # scores and labels, `classes`: a score of each object for every class
activation: none                # of `classes`: none, sigmoid, or softmax, whose last class is "nothing"
masks: picture                  # of the size that goes in, as torchvision exports Mask R-CNN; or box, stretched over it
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
from scipy.special import expit, softmax

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
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    masks: Literal["picture", "box"] = "picture"


OUTPUTS = ("boxes", "scores", "labels", "masks", "classes")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "layout": ("NCHW", "CHW", "NHWC"),
    "boxes": ("pixels", "share"),
    "corners": ("xyxy", "yxyx", "cxcywh"),
    "activation": ("none", "sigmoid", "softmax"),
    "masks": ("picture", "box"),
}
"""What may stand behind a key."""


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
    check_outputs(content["outputs"], path)
    for name, choices in CHOICES.items():
        if content.get(name, choices[0]) not in choices:
            raise ValueError(unknown(f"{name} in {path.name}", str(content[name]), choices))
    given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in content.items()}
    return Description(**given)


def check_outputs(outputs: Any, path: Path) -> None:
    """ValueError names an output that is missing or does not exist."""
    if not isinstance(outputs, dict):
        raise ValueError(f"outputs in {path} is a mapping from {', '.join(OUTPUTS)} to names in the file")
    for name in outputs:
        if name not in OUTPUTS:
            raise ValueError(unknown(f"output in {path.name}", str(name), OUTPUTS))
    for name in ("boxes",) if "classes" in outputs else ("boxes", "scores", "labels"):
        if name not in outputs:
            raise ValueError(f"the outputs in {path} need {name!r}")


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
        self.input = self._named("input", [self.told.input or self.session.get_inputs()[0].name])[0]
        self.outputs = dict(
            zip(self.told.outputs, self._named("output", list(self.told.outputs.values())), strict=True)
        )
        described = hashlib.sha256(path.read_bytes()).hexdigest()
        self.id = f"onnx:{file.stem}@{digest[:12]} as {described[:8]} above {least:g}"
        self.stand_in, self.known = file.stem, self.told.classes
        self.record: Mapping[str, Any] = {"model": file.name, "sha256": digest, "description_sha256": described}

    def detect(self, images: Sequence[Image], classes: Sequence[str]) -> list[list[Located]]:
        """What is found in each picture; ValueError for a class that the description does not name."""
        for one in classes:
            if one not in self.told.classes:
                raise ValueError(unknown(f"class of {self.told.model}", one, self.told.classes)[:300])
        return [self._look(image.convert("RGB")) for image in images]

    def _named(self, kind: str, names: list[str]) -> list[str]:
        """The names, once they are seen to be in the file."""
        there = [one.name for one in (self.session.get_inputs() if kind == "input" else self.session.get_outputs())]
        for name in names:
            if name not in there:
                raise ValueError(f"{self.told.model} has no {kind} named {name!r}; it has: {', '.join(there)}")
        return names

    def _look(self, image: Image) -> list[Located]:
        told, size = self.told, self.told.size or image.size
        raw = self.session.run(list(self.outputs.values()), {self.input: pixels(image, size, told)})
        found = dict(zip(self.outputs, map(np.asarray, raw), strict=True))
        scores, labels = marks(found, told)
        boxes = found["boxes"].reshape(-1, 4)
        every = []
        for place in np.flatnonzero(scores > self.least):
            label = int(labels[place]) - told.first_label
            if 0 <= label < len(told.classes):
                box = corners(boxes[place], told, size, image.size)
                mask = None
                if "masks" in found:
                    mask = whole_mask(found["masks"].reshape(len(scores), *found["masks"].shape[-2:])[place],
                                      box if told.masks == "box" else (0.0, 0.0, *image.size), image.size)  # fmt: skip
                every.append(Located(told.classes[label], box, float(scores[place]), mask))
        return every


def marks(found: Mapping[str, Array], told: Description) -> tuple[Array, Array]:
    """Score (N,) and label (N,) of each object, out of those of every class where the file gives these."""
    if "classes" not in found:
        return found["scores"].reshape(-1), found["labels"].reshape(-1)
    raw = found["classes"].reshape(-1, found["classes"].shape[-1])
    if told.activation == "sigmoid":
        raw = expit(raw)
    if told.activation == "softmax":
        raw = softmax(raw, axis=-1)[:, :-1]
    return raw.max(axis=-1), raw.argmax(axis=-1) + told.first_label


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


def whole_mask(mask: Array, box: Box, size: tuple[int, int]) -> Array:
    """The mask (height, width) of the whole picture, from one that is stretched over a box."""
    left, top = round(box[0]), round(box[1])
    wide, high = max(1, round(box[2]) - left), max(1, round(box[3]) - top)
    stretched = Pictures.fromarray(np.asarray(mask, dtype=np.float32)).resize((wide, high))
    whole = Pictures.new("F", size)
    whole.paste(stretched, (left, top))
    return np.asarray(whole) > 0.5
