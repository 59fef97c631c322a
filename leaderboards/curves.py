"""A training run read from outside: its metrics and their curves, its evaluations, its sheets of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.json_lines import read_lines
from leaderboards.plot import GREYS, LINES, canvas, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = "metrics.jsonl"
FIRST = ("reward", "held_out", "kl", "grad_norm", "clip_ratio", "frac_reward_zero_std", "entropy", "unscored")
"""Curves that stand first; others follow by name."""
MOST = 12
"""Curves on one page."""


def is_training(folder: Path) -> bool:
    """Whether a folder holds a training run."""
    return (folder / METRICS).is_file()


def evaluations(folder: Path) -> list[Path]:
    """The run folders of its held-out evaluations, the first update first."""
    return sorted(path.parent for path in folder.glob("held_out/*/run.json"))


def sheets_of(folder: Path) -> list[Path]:
    """Grids of pictures drawn on the way."""
    return sorted(folder.glob("samples/*.png"))


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """A line an update; ValueError where the folder holds no training run."""
    if not is_training(folder):
        raise ValueError(f"{folder} is no training run: it has no {METRICS}")
    return read_lines(folder / METRICS, ("step",))


def curve_names(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The figures that at least two updates have, those that are looked at first in front."""
    counts: dict[str, int] = {}
    for line in lines:
        for name, value in line.items():
            counts[name] = counts.get(name, 0) + isinstance(value, int | float)
    names = [name for name, count in counts.items() if count > 1 and name != "step"]
    return sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))[:MOST]


def curves(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """One small plot a figure, one line a training run; ValueError where no figure was written twice."""
    names = list(dict.fromkeys(name for lines in runs.values() for name in curve_names(lines)))[:MOST]
    if not names:
        raise ValueError("no figure of the training was written at two updates; there is no curve to draw")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = canvas(3.6 * columns, 2.4 * rows)
    for number, name in enumerate(names, start=1):
        axes = figure.add_subplot(rows, columns, number)
        for place, (run, lines) in enumerate(runs.items()):
            points = [(line["step"], line[name]) for line in lines if isinstance(line.get(name), int | float)]
            if points:
                axes.plot(*zip(*points, strict=True), linestyle=LINES[place % len(LINES)], color=GREYS[place % 3],
                          marker="o" if len(points) < 20 else None, markersize=3, linewidth=1.1, label=run)  # fmt: skip
        axes.set_title(name)
        axes.set_xlabel("update")
        if number == 1:
            legend(axes, len(runs))
    return figure
