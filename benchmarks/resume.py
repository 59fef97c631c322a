"""The embedded model killed at random moments and resumed, beside a whole run: `python -m benchmarks.resume`.

Also prints how long the light commands take.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.json_lines import read_lines

HARNESS = [sys.executable, "-m", "harness.main"]
EVAL = [*HARNESS, "eval", "--model", "tiny", "--task", "scenes", "--limit", "24", "-b", "4", "-v", "quiet"]


def rows(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Last rows by key, without what a clock decides."""
    return {
        (row["sample"], row["index"]): {name: value for name, value in row.items() if name not in ("seconds", "time")}
        for row in read_lines(folder / "samples.jsonl")
    }


def made(folder: Path) -> int:
    """Rows on disk."""
    path = folder / "samples.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_at_random(folder: Path, moments: int) -> int:
    """Starts the run and kills it after a random number of new rows, so often; gives the number of kills that hit."""
    chance, hits = random.Random(1), 0
    for _ in range(moments):
        process = subprocess.Popen([*EVAL, "-o", str(folder)], stdout=subprocess.DEVNULL)
        wanted = made(folder) + chance.randrange(1, 9)
        while process.poll() is None and made(folder) < wanted:
            time.sleep(0.002)
        hits += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    return hits


def main() -> None:
    """Prints the outcome of the resume proof and the start-up times."""
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        start = time.perf_counter()
        subprocess.run([*EVAL, "-o", str(whole)], stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - start
        hits = kill_at_random(killed, 10)
        subprocess.run([*EVAL, "-o", str(killed)], stdout=subprocess.DEVNULL, check=True)
        same = rows(whole) == rows(killed)
        print(f"resume: killed {hits} times within {len(rows(whole))} images, rows equal the uninterrupted run: {same}")
        print(f"evaluation of {len(rows(whole))} images with tiny, start-up included: {seconds:.1f} s")
        if not same:
            sys.exit(3)
    for command in ("--help", "ls tasks"):
        times = []
        for _ in range(7):
            start = time.perf_counter()
            subprocess.run([*HARNESS, *command.split()], stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - start)
        print(f"harness {command}: {sorted(times)[3]:.3f} s, median of 7")


if __name__ == "__main__":
    main()
