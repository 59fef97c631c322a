"""harness export: hands what a run holds to other programs, one exporter for each kind of thing."""

from __future__ import annotations

import importlib
from pathlib import Path

from tasks.registry import unknown

EXPORTS = {
    "weights": ("trainer.weights_command", "trained weights, as diffusers, peft and BAGEL's own code load them"),
    "results": ("leaderboards.results_command", "a run's figures, for Every Eval Ever or in the shape of lm-eval"),
}
"""Exporters: the module whose `main(arguments)` runs it, and what it hands out."""


def main(arguments: list[str]) -> int:
    """Runs the exporter that the first argument names, or the one that fits the folder it names."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("\n".join([f"harness export {name:8} {what}" for name, (_, what) in EXPORTS.items()]))
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in EXPORTS:
        if not Path(name).is_dir():
            raise ValueError(unknown("exporter", name, EXPORTS))
        name, rest = kind_of(Path(name)), arguments
    code: int = importlib.import_module(EXPORTS[name][0]).main(rest)
    return code


def kind_of(folder: Path) -> str:
    """What a folder holds: the weights of a training run, or the results of an evaluation."""
    found = "weights" if (folder / "checkpoints").is_dir() else "results" if (folder / "run.json").is_file() else ""
    if found not in EXPORTS:
        raise ValueError(f"{folder} holds nothing that can be exported; name one of: {', '.join(EXPORTS)}")
    return found
