"""The embedded world's board: the embedded model as it ships, thinking, drawing again, and trained.

`python -m benchmarks.board` makes the runs, one picture of each held-out prompt, adds them to
leaderboards/boards/scenes and prints the board. The trained model is that of recipes/tiny_rt2i.yaml, trained first
unless a run is given.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

ROOT = Path(__file__).parent.parent
BOARD = ROOT / "leaderboards" / "boards" / "scenes"
REFINED = ["--refine", "1", "--gate"]
RUNS = {
    "base": [],
    "plain": ["--model-args", "guidance=1"],
    "thinking": ["--reason"],
    "refined": [*REFINED, "all"],
    "refined-self": [*REFINED, "self"],
    "refined-oracle": [*REFINED, "oracle"],
}
"""The model that ships."""
TRAINED = {"trained": [], "trained-guided": ["--model-args", "draw=guidance:2"]}
"""The trained one, without guidance as it was trained, and with the guidance of the model that ships."""


@dataclass(frozen=True)
class Source:
    """Where the trained model comes from."""

    trained: Path | None = None
    """Folder of a finished run of recipes/tiny_rt2i.yaml; trained on two processes when not given."""


def harness(*arguments: str) -> None:
    """One command line, in a process of its own."""
    subprocess.run([sys.executable, "-m", "harness.main", *arguments], check=True)


def evaluate(model: str, out: Path, more: list[str]) -> None:
    """One row."""
    harness("eval", "-M", model, "-t", "scenes", "--num-images", "1", *more, "-o", str(out), "-v", "quiet")


def train(out: Path) -> Path:
    """The recipe's run, on two processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "harness"]
    recipe = ROOT / "recipes" / "tiny_rt2i.yaml"
    subprocess.run([*launcher, "train", "--config", str(recipe), "--output-dir", str(out), "-v", "quiet"], check=True)
    return out


def main() -> None:
    """Runs `harness eval` for each, then `harness leaderboard`."""
    source = tyro.cli(Source)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, more in RUNS.items():
            evaluate("tiny", folder / name, more)
        trained = source.trained or train(folder / "training")
        for name, more in TRAINED.items():
            evaluate(f"run:{trained}", folder / name, more)
        for path in (BOARD / "entries").glob("*.json"):
            path.unlink()  # a board of this package's weights alone
        board = ["--board", str(BOARD), "--title", "The embedded world"]
        harness("leaderboard", "add", *(str(folder / name) for name in RUNS), *board)
        harness("leaderboard", "add", *(str(folder / name) for name in TRAINED), *board, "--trained-on", "scenes train")
    harness("leaderboard", "show", str(BOARD))


if __name__ == "__main__":
    main()
