"""The embedded world's board: the embedded model guided, unguided and thinking, one picture of each held-out prompt.

`python -m benchmarks.board` makes the runs, adds them to leaderboards/boards/scenes and prints the board.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

BOARD = Path(__file__).parent.parent / "leaderboards" / "boards" / "scenes"
RUNS = (("base", []), ("plain", ["--model-args", "guidance=1"]), ("thinking", ["--reason"]))


def harness(*arguments: str) -> None:
    """One command line, in a process of its own."""
    subprocess.run([sys.executable, "-m", "harness.main", *arguments], check=True)


def main() -> None:
    """Runs `harness eval` for each, then `harness leaderboard`."""
    for path in (BOARD / "entries").glob("*.json"):
        path.unlink()  # a board of this package's weights alone
    with tempfile.TemporaryDirectory() as folder:
        for name, more in RUNS:
            out = str(Path(folder) / name)
            harness("eval", "--model", "tiny", "--task", "scenes", "--num-images", "1", *more, "-o", out, "-v", "quiet")
        runs = [str(Path(folder) / name) for name, _ in RUNS]
        harness("leaderboard", "add", *runs, "--board", str(BOARD), "--title", "The embedded world")
    harness("leaderboard", "show", str(BOARD))


if __name__ == "__main__":
    main()
