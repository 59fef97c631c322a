"""What a training run tells: metrics.jsonl always, one line of progress, trackers where asked, curves and samples.

On resume the metrics after the checkpoint are cut off, so that the stream is that of an uninterrupted run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

TOLD = (("reward", "reward", ".3f"), ("kl", "KL", ".1e"), ("clip_ratio", "clipped", ".0%"),
        ("unscored", "unscored", ".0%"), ("held_out", "held out", ".3f"))  # fmt: skip
"""Figures beside the bar of progress: their key, their name, their form."""
CURVES = ("reward", "held_out", "kl", "grad_norm", "clip_ratio", "frac_reward_zero_std", "entropy", "unscored")


class Log:
    """The log of one run folder; only the first process writes."""

    def __init__(self, out: Path, steps: int, accelerator: Accelerator, trackers: Sequence[str], quiet: bool) -> None:
        self.path, self.out, self.accelerator = out / "metrics.jsonl", out, accelerator
        self.writes = accelerator.is_main_process
        self.tracked = bool(trackers)
        self.shown: dict[str, float] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   TextColumn("{task.fields[told]}"))  # fmt: skip
        self.progress = Progress(*columns, console=Console(stderr=True), disable=quiet or not self.writes)
        self.bar = self.progress.add_task("updates", total=steps, told="")

    def cut(self, step: int) -> None:
        """Drops the metrics of updates after number `step`, which will be made again."""
        if not self.writes or not self.path.exists():
            return
        lines = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    lines.append(line)
            except (ValueError, KeyError):
                break  # a torn last line of a run that was killed
        self.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self.progress.update(self.bar, completed=step)

    def add(self, step: int, figures: Mapping[str, float], times: Mapping[str, float]) -> None:
        """One update's figures; seconds are kept apart, since no two runs share them."""
        if not self.writes:
            return
        line = {"step": step, **{name: round(value, 8) for name, value in sorted(figures.items())}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        with (self.out / "seconds.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **{name: round(value, 3) for name, value in times.items()}}) + "\n")
        if self.tracked:
            self.accelerator.log({**figures, **times}, step=step)
        self.shown |= figures
        told = ", ".join(f"{name} {self.shown[key]:{form}}" for key, name, form in TOLD if key in self.shown)
        self.progress.update(self.bar, completed=step, told=told)

    def samples(self, step: int, pictures: Sequence[Image.Image], columns: int) -> None:
        """A grid of pictures, one group a row."""
        if not self.writes or not pictures:
            return
        width, height = pictures[0].size
        rows = -(-len(pictures) // columns)
        sheet = Image.new("RGB", (columns * (width + 2), rows * (height + 2)), "white")
        for place, picture in enumerate(pictures):
            sheet.paste(picture, (place % columns * (width + 2), place // columns * (height + 2)))
        (self.out / "samples").mkdir(exist_ok=True)
        sheet.save(self.out / "samples" / f"step-{step:06d}.png")

    def plot(self) -> None:
        """The curves of the run as curves.png."""
        if self.writes and self.path.exists():
            plot_curves(read_metrics(self.path), self.out / "curves.png")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def plot_curves(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One small plot a figure that the run has."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in CURVES if any(name in line for line in lines)]
    if not names:
        return
    figure = Figure(figsize=(4.0 * min(3, len(names)), 2.6 * -(-len(names) // 3)), layout="constrained")
    FigureCanvasAgg(figure)
    for number, name in enumerate(names):
        axes = figure.add_subplot(-(-len(names) // 3), min(3, len(names)), number + 1)
        points = [(line["step"], line[name]) for line in lines if name in line]
        axes.plot(*zip(*points, strict=True), marker="o" if len(points) < 20 else None, linewidth=1.2)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("update", fontsize=7)
    figure.savefig(path, dpi=110)
