"""--dry-run: what a run would make, ask and need, from the task alone."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.eval_config import EvalConfig
from harness.identity import model_arguments
from harness.job import chosen
from harness.statistics import detectable_before

ESTIMATED = {"bagel": "harness.forecast_bagel"}
"""Models whose memory and time can be told beforehand; each module has `foresee(arguments, device, images, edits)`."""
ROW, VERDICT, LARGE = 700, 300, 1_600_000
"""Bytes that a row, a verdict and a picture of 1024 x 1024 take on disk, about."""
LETTERS = 4
"""Letters of English that a token stands for, about."""


def forecast(config: EvalConfig, name: str, folder: Path) -> dict[str, Any]:
    """Counts of one task; what depends on the verifier's own prompts and on its pictures' tokens is left out."""
    task, samples, images, plan = chosen(config, name)
    asked = [question for sample in samples for question in sample.questions]
    questions = len(asked) * images
    rows = len(plan) * ROW + questions * VERDICT
    found = {
        "task": f"{task.name}@{task.version} {task.split}",
        "prompts": len(samples),
        "images": len(plan),
        "questions": questions,
        "tokens_of_question_texts_about": round(sum(len(one.text) for one in asked) * images / LETTERS),
        "disk_megabytes_of_rows": round(rows / 1e6, 1),
        "disk_megabytes_with_pictures_of_1024_pixels": round((rows + len(plan) * LARGE) / 1e6, 1),
        "detectable_points_unpaired": round(100 * detectable_before(0.5, len(samples), images, paired=False), 1),
        "detectable_points_paired": round(100 * detectable_before(0.5, len(samples), images, paired=True), 1),
        "output_path": str(folder),
    }
    if config.model in ESTIMATED:
        edits = any(sample.request.sources for sample in samples)
        module = importlib.import_module(ESTIMATED[config.model])
        found |= module.foresee(model_arguments(asdict(config)), config.device, len(plan), edits)
    return found


def print_forecasts(found: list[dict[str, Any]], as_json: bool) -> None:
    """A block a task, or one JSON object (a list of several)."""
    if as_json:
        print(json.dumps(found[0] if len(found) == 1 else found, indent=1))
        return
    for one in found:
        for key, value in one.items():
            print(f"{key.replace('_', ' '):44} {value}")
    print("nothing was made")
