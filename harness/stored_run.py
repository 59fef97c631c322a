"""A run folder read back: what was run, what came out, and every row, once its seal has been checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.ending import Damaged
from harness.json_lines import read_lines
from harness.protocol import protocol_of, shown_task
from harness.record import SCHEMA_VERSION, Key
from harness.run_folder import RunStore
from harness.seal import check_seal
from tasks.registry import unknown

FINISHED = ("complete", "incomplete")
NEEDED = {"task": ("scale", "offset", "decimals", "weights", "answers", "compounds", "files"), "reward": ("range",)}
"""What figures are formed with, that run.json did not always hold."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run; rows are read when asked for."""

    path: Path
    run: Mapping[str, Any]
    results: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`scenes@1 evaluation`."""
        task = self.run["task"]
        return f"{shown_task(task['name'], protocol_of(self.run))}@{task['version']} {task['split']}".rstrip()

    def rows(self) -> dict[Key, dict[str, Any]]:
        """The row of every image that was made."""
        return RunStore(self.path).rows()

    def verdicts(self) -> dict[tuple[str, int, str], dict[str, Any]]:
        """The verdict of every question."""
        return RunStore(self.path).verdicts()

    def questions(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By sample and question id: text, group, tag, parents, worth; empty where the run did not keep them."""
        return {
            row["sample"]: {one["id"]: one for one in row["questions"]}
            for row in read_lines(self.path / "questions.jsonl", ("sample", "questions"))
        }


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; Damaged when the file is there and is none, ValueError when it is not there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise Damaged(f"{path} is not a JSON object")
    return content


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / "run.json").is_file()


def open_run(folder: Path) -> StoredRun:
    """A finished run whose files are as it left them; ValueError says what is wrong with any other folder."""
    if not is_run(folder):
        if folder.is_dir():
            raise ValueError(f"{folder} is no run folder: it has no run.json")
        nearby = sorted(one.parent.as_posix() for one in folder.parent.glob("*/run.json")) if folder.parent else []
        raise ValueError(unknown("run folder", str(folder), nearby) if nearby else f"{folder} is no run folder")
    run = read_object(folder / "run.json")
    version = run.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ValueError(f"{folder} has schema version {version!r}; this image-harness reads up to {SCHEMA_VERSION}")
    if run.get("status") not in FINISHED:
        raise ValueError(f"{folder} is not finished (status {run.get('status')!r}); run the same command again")
    check_seal(run, folder)
    absent = [f"{section}.{name}" for section, names in NEEDED.items() for name in names if name not in run[section]]
    if absent:
        raise ValueError(f"{folder} was written by an earlier image-harness, without {absent[0]}; run it again")
    return StoredRun(folder, run, read_object(folder / "results.json"))


def open_runs(folder: Path) -> list[StoredRun]:
    """The run in a folder, or every run in the folders right below it."""
    if is_run(folder):
        return [open_run(folder)]
    below = sorted(path.parent for path in folder.glob("*/run.json"))
    if not below:
        return [open_run(folder)]  # says what is wrong
    return [open_run(one) for one in below]
