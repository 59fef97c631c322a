"""detector: finds objects in pictures, their boxes and colours (GenEval); any transformers or ONNX detector."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reward.detection import ColourReader, Detection, Detector, Wanted, read_wanted, write_detections
from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which detector, and which classifier of colours."""

    pretrained: str = "facebook/mask2former-swin-small-coco-instance"
    """Checkpoint of an instance segmenter, of a box detector, or of a zero-shot one"""
    revision: str | None = None
    """Commit of the checkpoint"""
    onnx: Path | None = None
    """YAML file that describes an ONNX detector, in the place of a checkpoint"""
    colour: str = "openai/clip-vit-large-patch14"
    """CLIP checkpoint that names colours; loaded when a colour is first asked for"""
    colour_revision: str | None = None
    least: float = 0.3
    """Detections below this score are left out"""
    device: str = "cpu"


class DetectorVerifier:
    """Answers queries of `reward/detection.py`; a picture on which the detector fails is a failed reply."""

    def __init__(self, detector: Detector, colour: str, open_colours: Any) -> None:
        self.detector, self.open_colours = detector, open_colours
        self.reader: ColourReader | None = None
        self.id = f"{detector.id} colours {colour}"
        self.record: Mapping[str, Any] = {
            "name": "detector",
            "requested": detector.id,
            "mode": "rule",
            "stand_in": detector.stand_in,
            "detector": dict(detector.record),
            "colour": colour,
        }

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order."""
        return [self._timed(query) for query in queries]

    def _timed(self, query: Query) -> Reply:
        start = time.perf_counter()
        wanted = read_wanted(query.text)
        if wanted is None or len(query.images) != 1:
            return Reply("parse_error", error=f"a detector cannot answer {query.text[:80]!r}", served=self.id)
        try:
            reply = Reply("ok", self._find(query, wanted), served=self.id)
        except (RuntimeError, ValueError, OSError) as error:
            reply = Reply("transport_error", error=f"the detector failed: {error}"[:300], served=self.id)
        return replace(reply, seconds=time.perf_counter() - start)

    def _find(self, query: Query, wanted: Wanted) -> str:
        image = query.images[0]
        (everything,) = self.detector.detect([image], wanted.classes)
        found = [one for one in everything if one.class_name in wanted.classes]
        coloured = [place for place, one in enumerate(found) if one.class_name in wanted.coloured]
        if coloured and self.reader is None:
            self.reader = self.open_colours()
        named = self.reader.colours(image, [found[place] for place in coloured]) if self.reader and coloured else []
        colours = dict(zip(coloured, named, strict=True))
        told = [
            Detection(one.class_name, one.box, one.score, colours.get(place, "")) for place, one in enumerate(found)
        ]
        return write_detections(told, len(everything) - len(found))


def part(module: str) -> Any:
    """A module of ours whose libraries are optional; ValueError says how they are brought."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"verifier 'detector' needs {error.name}: pip install 'image-harness[detect]'") from None


def build(arguments: Arguments) -> DetectorVerifier:
    """The detector; ValueError says what is missing."""
    if arguments.onnx is not None:
        detector: Detector = part("reward.detector_onnx").OnnxDetector(arguments.onnx, arguments.least)
    else:
        try:
            open_detector = part("reward.detector_transformers").build_detector
            detector = open_detector(arguments.pretrained, arguments.revision, arguments.device, arguments.least)
        except OSError as error:
            raise ValueError(f"the detector {arguments.pretrained} cannot be had: {error}".split("\n")[0]) from None
    name = f"{arguments.colour.rstrip('/').rpartition('/')[2]}@{(arguments.colour_revision or 'default')[:12]}"

    def open_colours() -> ColourReader:
        module = importlib.import_module("reward.colour_clip")
        reader: ColourReader = module.ClipColours(arguments.colour, arguments.colour_revision, arguments.device)
        return reader

    return DetectorVerifier(detector, name, open_colours)
