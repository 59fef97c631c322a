"""detector: finds objects in pictures, their boxes, colours and depth (GenEval, T2I-CompBench++).

Any transformers or ONNX detector, with a CLIP for colours and a depth estimator, both loaded when first asked.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reward.detection import Box, ColourReader, DepthReader, Detection, Detector, Wanted, read_wanted, write_detections
from reward.verifier import Query, Reply

DEPTH = "Intel/dpt-hybrid-midas"
"""The depth estimator of T2I-CompBench++."""


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
    depth: str = DEPTH
    """Checkpoint of a depth estimator (DPT, Depth Anything, GLPN, ZoeDepth); loaded when depth is first asked for"""
    depth_revision: str | None = None
    least: float = 0.3
    """Detections below this score are left out"""
    device: str = "cpu"


class DetectorVerifier:
    """Answers queries of `reward/detection.py`; a picture on which the detector fails is a failed reply."""

    def __init__(
        self, detector: Detector, colour: str, open_colours: Any, depth: str = "", open_depth: Any = None
    ) -> None:
        self.detector, self.open_colours, self.open_depth = detector, open_colours, open_depth
        self.reader: ColourReader | None = None
        self.estimator: DepthReader | None = None
        self.id = f"{detector.id} colours {colour}" + (f" depth {depth}" if depth else "")
        self.record: Mapping[str, Any] = {
            "name": "detector",
            "requested": detector.id,
            "mode": "rule",
            "stand_in": detector.stand_in,
            "detector": dict(detector.record),
            "colour": colour,
            "depth": depth or DEPTH,
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
        classes = sought(wanted, self.detector.known)
        (everything,) = self.detector.detect([image], classes)
        found = [one for one in everything if one.class_name in classes]
        coloured = [place for place, one in enumerate(found) if one.class_name in wanted.coloured]
        if coloured and self.reader is None:
            self.reader = self.open_colours()
        named = self.reader.colours(image, [found[place] for place in coloured]) if self.reader and coloured else []
        colours = dict(zip(coloured, named, strict=True))
        depths = self._depths(query, wanted, [one.box for one in found])
        told = [
            Detection(one.class_name, one.box, one.score, colours.get(place, ""), depth)
            for place, (one, depth) in enumerate(zip(found, depths, strict=True))
        ]
        return write_detections(told, len(everything) - len(found))

    def _depths(self, query: Query, wanted: Wanted, boxes: Sequence[Box]) -> list[float | None]:
        if not wanted.depth or not boxes:
            return [None] * len(boxes)
        if self.estimator is None:
            self.estimator = self.open_depth()
        return [*self.estimator.depths(query.images[0], boxes, wanted.swapped)]


def sought(wanted: Wanted, known: Sequence[str]) -> list[str]:
    """The classes to look for: those that are named and, where parts of names do, those of the detector's own that hold
    one; a name that none of them holds stays, for the detector to refuse."""
    if not wanted.parts or not known:
        return list(wanted.classes)
    inside = {name: [one for one in known if name in one] for name in wanted.classes}
    return list(dict.fromkeys(one for name, some in inside.items() for one in some or [name]))


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

    def open_depth() -> DepthReader:
        try:
            reader: DepthReader = part("reward.depth").DepthEstimator(
                arguments.depth, arguments.depth_revision, arguments.device
            )
        except OSError as error:
            raise ValueError(f"the depth estimator {arguments.depth} cannot be had: {error}".split("\n")[0]) from None
        return reader

    return DetectorVerifier(detector, name, open_colours, depth_name(arguments), open_depth)


def depth_name(arguments: Arguments) -> str:
    """What names a depth estimator that is not the reference one."""
    if (arguments.depth, arguments.depth_revision) == (DEPTH, None):
        return ""
    return f"{arguments.depth.rstrip('/').rpartition('/')[2]}@{(arguments.depth_revision or 'default')[:12]}"
