"""Wall time of generating and verifying together over the slower stage alone: `python -m benchmarks.overlap`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from harness.assemble import Assembly, Job, build_reward, choose_plan, load_task
from harness.evaluate import evaluate
from harness.run_folder import RunStore
from reward.verifier import Query, Reply
from tasks.sample import Request, Response

BATCH, IMAGES, DRAW, JUDGE = 10, 200, 0.05, 0.5
"""Images a batch and in all; seconds an image takes to draw, a batch to verify."""


class SlowModel:
    """Takes a fixed time an image."""

    id, record = "slow", {}

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        """Plain pictures."""
        time.sleep(DRAW * len(seeds))
        return [Response(Image.new("RGB", (32, 32))) for _ in requests]


class SlowVerifier:
    """Takes a fixed time a call."""

    id, record = "slow", {"name": "slow"}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """Yes to everything."""
        time.sleep(JUDGE)
        return [Reply("ok", "yes", {"yes": 1.0}) for _ in queries]


def main() -> None:
    """Prints the ratio; 1 is perfect overlap, 2 is none."""
    task = load_task("scenes", {})
    samples, images, plan = choose_plan(task, 4, 0, IMAGES / 4, ())
    verifier = SlowVerifier()
    assembly = Assembly(Job(task, samples, images, plan, 0, verifier, build_reward(task, verifier)), SlowModel())
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        evaluate(assembly, RunStore(Path(folder)), BATCH)
        wall = time.perf_counter() - start
    slower = max(DRAW * IMAGES, JUDGE * IMAGES / BATCH)
    print(f"overlap: {wall:.2f} s for {IMAGES} images, {wall / slower:.2f} x the slower stage alone ({slower:.2f} s)")


if __name__ == "__main__":
    main()
