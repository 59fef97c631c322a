"""Seconds that GenEval's rules take for a full run, 2,212 pictures: `python -m benchmarks.geneval_rules`.

The detections are the 600 random cases of the fixture over and over; each is read, judged and combined as in a run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from PIL import Image

from harness.assemble import build_reward
from reward.detection import Detection, write_detections
from reward.verifier import Query, Reply
from tasks.geneval import sample_of
from tasks.sample import Generation, Response
from tasks.task import RewardSpec, Task

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parent.parent.parent / "shared"))
PICTURES, LIMIT = 2212, 2.0
"""Images of a full run, and seconds that are allowed."""


class Recorded:
    """Gives each sample the detections that were recorded for it."""

    id = "recorded"
    record: dict[str, Any] = {"name": "recorded"}  # noqa: RUF012 - never changed

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order."""
        return [Reply("ok", self.texts[query.about[0]]) for query in queries]


def main() -> int:
    """Prints the seconds; 1 where an outcome is not the official one."""
    path = SHARED / "fixtures" / "geneval_rules" / "cases.jsonl"
    if not path.is_file():
        print(f"no recorded detections in {path}; name the folder that holds them in HARNESS_SHARED")
        return 0
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts, samples, right = {}, [], []
    for place, case in enumerate(islice(cycle(cases), PICTURES)):
        found = [Detection(one["class_name"], tuple(one["box"]), one["score"], one["color"])
                 for one in case["detections"]]  # fmt: skip
        samples.append(sample_of(f"{place:05d}", case["metadata"]))
        texts[samples[-1].id] = write_detections(found)
        right.append(case["correct"])
    task = Task("geneval", "1", "fixture", tuple(samples), RewardSpec("detector", "geneval", "all", "detector"))
    reward, picture = build_reward(task, Recorded(texts)), Response(Image.new("RGB", (8, 8)))
    start = time.process_time()
    scores = reward.score([Generation(sample, 0, picture) for sample in samples])
    seconds = time.process_time() - start
    agree = sum((score.value == 1.0) == good for score, good in zip(scores, right, strict=True))
    print(f"GenEval's rules on {PICTURES} recorded pictures: {seconds:.2f} s of the processor, {LIMIT:.0f} s allowed")
    print(f"{agree} of {PICTURES} outcomes are those of the official code")
    return int(agree < PICTURES)


if __name__ == "__main__":
    raise SystemExit(main())
