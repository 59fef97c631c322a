"""A run's pictures laid out to be judged again: its rows as if nobody had judged them, its pictures without a copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.json_lines import json_line, replace_text
from harness.stored_picture import place_of
from harness.stored_run import StoredRun
from tasks.sample import Failure, Request, Response


class StoredModel:
    """The model of a finished run: known by name, and unable to draw what the run does not hold."""

    def __init__(self, name: str, record: Mapping[str, Any], failures: Mapping[tuple[str, int], Failure]) -> None:
        self.id, self.record = name, record
        self.failures = failures  # by prompt and seed: why there is no picture

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """What had failed fails as it did; a picture that has gone since is missing."""
        gone = Failure("missing_image", "the run's picture is not there any more, or is another one")
        return [self.failures.get((request.prompt, seed), gone) for request, seed in zip(requests, seeds, strict=True)]


def stored_model(origin: StoredRun) -> StoredModel:
    """The model as the run recorded it, with the failures of its images."""
    failures = {
        (row["prompt"], row["seed"]): Failure(row["status"], row["error"]["message"])
        for row in origin.rows().values()
        if row["image"] is None and row["error"]
    }
    return StoredModel(origin.run["model"]["id"], origin.run["model"], failures)


def lay_out(origin: StoredRun, folder: Path) -> None:
    """Rows and pictures of the run in a new folder, the pictures linked where the disk allows it; nothing is judged."""
    rows = [row for row in origin.rows().values() if row["image"]]
    for row in rows:
        names = (row["image"]["sha256"], *(draft["image"] for draft in row["drafts"]), *row["sources"])
        for name in names:
            link(origin.path / place_of(name), folder / place_of(name))
    waiting = {
        "status": "skipped",
        "error": {"type": "skipped", "message": "not scored yet"},
        "score": None,
        "parts": {},
    }
    replace_text(folder / "samples.jsonl", "".join(json_line({**row, **waiting}) for row in rows))


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy of it; a file that is lost stays lost."""
    if target.exists() or not source.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
