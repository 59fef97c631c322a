"""harness validate: whether a task, a question file or a run folder is sound, with every fault that was found."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from harness.arguments import parse_arguments
from harness.ending import CONFIGURATION, DONE
from harness.eval_config import offer_data
from harness.run_check import check_run
from harness.task_check import Report, check_task

SHOWN = 10
"""Findings and faults that are printed; --json has all."""


@dataclass(frozen=True)
class ValidateConfig:
    """Check a task, a question file or a run folder; exit code 2 where something is wrong."""

    what: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TASK|FILE.jsonl|RUN")]
    """A name of `harness ls tasks`, a dotted module, a file of questions, or the folder of a finished run."""
    task_args: str = ""
    """Arguments of the task: k=v,k=v, JSON, or @file.json."""
    data: Path | None = None
    """Folder of benchmark data."""
    accept_licence: str = ""
    """Benchmarks whose data may be downloaded under their licences."""
    json: bool = False
    """Print all as JSON."""


def main(arguments: list[str]) -> int:
    """Prints what was found; 2 where it is not sound."""
    config = tyro.cli(ValidateConfig, args=arguments, prog="harness validate")
    offer_data(config.data, config.accept_licence)
    folder = Path(config.what)
    report = check_run(folder) if folder.is_dir() else check_task(config.what, parse_arguments(config.task_args))
    if config.json:
        print(json.dumps(report.record(), indent=1, ensure_ascii=False))
    else:
        print("\n".join(lines_of(report)))
    if report.faults:
        print(f"harness: {report.name} is not sound: {len(report.faults)} faults", file=sys.stderr)
    return CONFIGURATION if report.faults else DONE


def lines_of(report: Report) -> list[str]:
    """A report as text."""
    lines = [f"{report.name}: {'not sound' if report.faults else 'sound'}", *(f"  {one}" for one in report.facts)]
    for what, found in (("faults", report.faults), ("findings about the data, which change nothing", report.findings)):
        if found:
            lines.append(f"  {len(found)} {what}:")
            lines += [f"  - {one}" for one in found[:SHOWN]]
            lines += [f"  - and {len(found) - SHOWN} more (--json prints all)"] if len(found) > SHOWN else []
    return lines
