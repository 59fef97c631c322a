"""Comparing two runs of a million verdicts: seconds of one core and memory of pairing, 10,000 draws and the test.

`python -m benchmarks.statistics` prints them; the goal is 10 s and 1 GB on two cores together.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from harness.comparison import difference, pair
from harness.interval import DRAWS

ROWS, PROMPTS = 1_000_000, 2_500


def main() -> None:
    """Draws two correlated runs, compares them, prints what that took."""
    random = np.random.default_rng(0)
    prompts = [f"prompt-{number:05d}" for number in range(PROMPTS)]
    names = [prompts[row % PROMPTS] for row in range(ROWS)]
    ease = random.beta(2.0, 1.0, PROMPTS)[np.arange(ROWS) % PROMPTS]
    before, after = ((random.random(ROWS) < ease + gain).astype(float).tolist() for gain in (0.0, 0.01))
    begun = time.process_time()
    paired = pair(names, before, after)
    middle = time.process_time()
    found = difference({"": paired})
    ended = time.process_time()
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{ROWS:,} rows of {PROMPTS:,} prompts, {DRAWS:,} draws: pairing {middle - begun:.1f} s of one core, "
          f"interval and p {ended - middle:.1f} s, {memory:.2f} GB at most (goal: 10 s, 1 GB)")  # fmt: skip


if __name__ == "__main__":
    main()
