"""The embedded model on the whole evaluation split, guided and unguided: `python -m benchmarks.tiny`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Runs `harness eval` on both; its tables are the output."""
    with tempfile.TemporaryDirectory() as folder:
        for scale in ("3", "1"):
            print(f"\nguidance {scale}", flush=True)
            out = str(Path(folder) / f"guidance{scale}")
            arguments = ["--model", "tiny", "--model-args", f"guidance={scale}", "--task", "scenes"]
            command = [sys.executable, "-m", "harness.main", "eval", *arguments, "--output-path", out]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
