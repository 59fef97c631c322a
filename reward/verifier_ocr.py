"""ocr: reads out the text in a picture, by RapidOCR, which brings its models along (PP-OCR, Chinese and English)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from reward.image_name import plain
from reward.lettering_prompt import NOTHING, PROMPT
from reward.verifier import Query, Reply


@dataclass(frozen=True, slots=True)
class Arguments:
    """How sure a line must be, and how many threads read."""

    least: float = 0.5
    """Lines that are less sure than this are left out"""
    threads: int = 1
    """Threads of one picture"""


class OcrVerifier:
    """Answers the question of `reward/prompts/lettering.txt`, and no other."""

    def __init__(self, engine: Any, arguments: Arguments) -> None:
        self.engine, self.least = engine, arguments.least
        self.lock = threading.Lock()
        revision = version("rapidocr")
        self.id = f"ocr:rapidocr@{revision} above {arguments.least:g}"
        self.record: Mapping[str, Any] = {"name": "ocr", "requested": "rapidocr", "revision": revision, "mode": "rule"}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order: a line of text a line in the picture."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        if query.text != PROMPT or len(query.images) != 1:
            return Reply("parse_error", error=f"ocr reads one picture and cannot answer {query.text[:80]!r}")
        start = time.perf_counter()
        try:
            with self.lock:
                found = self.engine(plain(query.images[0]), text_score=self.least)
        except Exception as error:  # noqa: BLE001 - a picture that the engine fails on is one failed reply
            return Reply("missing_image", error=f"ocr cannot read the picture: {error}"[:300], served=self.id)
        text = "\n".join(found.txts or ()) or NOTHING
        return Reply("ok", text, served=self.id, seconds=time.perf_counter() - start)


def build(arguments: Arguments) -> OcrVerifier:
    """The reader; ValueError says what is missing."""
    if not 0.0 <= arguments.least <= 1.0 or arguments.threads < 1:
        raise ValueError(f"ocr: least lies between 0 and 1 and threads is 1 or more, not {arguments}")
    try:
        from rapidocr import RapidOCR
    except ImportError:
        raise ValueError("verifier 'ocr' needs rapidocr: pip install 'image-harness[ocr]'") from None
    told = {"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": arguments.threads}
    return OcrVerifier(RapidOCR(params=told), arguments)
