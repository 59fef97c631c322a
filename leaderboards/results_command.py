"""harness export results: a finished run's figures in the formats that others collect and print."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from harness.ending import DONE, SaveError
from harness.json_lines import replace_text, write_json
from harness.stored_run import StoredRun, open_run


@dataclass(frozen=True)
class ResultsFlags:
    """Write the figures of a finished run for other programs. What has no value is left out and counted."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished run."""
    format: Annotated[Literal["every-eval-ever", "lm-eval"], tyro.conf.arg(aliases=["-f"])] = "every-eval-ever"
    """every-eval-ever writes a record and a line an image; lm-eval the object that its own tables are printed from."""
    output_path: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder that data/TASK/DEVELOPER/MODEL is written below, RUN/export when not given; for lm-eval a file, the
    terminal when not given."""
    organization: str = "unknown"
    """Who made the measurement, for every-eval-ever."""
    relationship: Literal["first_party", "third_party", "collaborative", "other"] = "other"
    """How that party stands to the model."""
    model_availability: Literal["open_weights", "closed_weights", "unknown"] = "unknown"
    """Whether the model's weights can be had."""


def main(arguments: list[str]) -> int:
    """Runs `harness export results`; gives the exit code."""
    flags = tyro.cli(ResultsFlags, args=arguments, prog="harness export results")
    stored = open_run(flags.run)
    if flags.format == "lm-eval":
        return write_block(stored, flags.output_path)
    return write_shared(stored, flags)


def write_block(stored: StoredRun, path: Path | None) -> int:
    """lm-eval's results object, which the run holds already."""
    block = stored.results["compat"]["lm_eval"]
    if path is None:
        print(json.dumps(block, sort_keys=True, indent=1, ensure_ascii=False))
        return DONE
    make(path.parent)
    write_json(path, block)
    print(path)
    return DONE


def write_shared(stored: StoredRun, flags: ResultsFlags) -> int:
    """The record after its lines, so that it never names a file that is not there."""
    from leaderboards.every_eval_ever import Origin, share

    shared = share(stored, Origin(flags.organization, flags.relationship, flags.model_availability))
    out = flags.output_path or stored.path / "export"
    record, lines = (out / f"{shared.place}{ending}" for ending in (".json", "_samples.jsonl"))
    make(record.parent)
    replace_text(lines, shared.lines)
    write_json(record, shared.record)
    print(f"{record}\n{lines}")
    return DONE


def make(folder: Path) -> None:
    """A folder that may exist already; SaveError says why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{folder} cannot be written: {error.strerror}") from error
