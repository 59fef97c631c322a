"""harness doctor: what is installed, what can be used, what is missing; a report to paste, and an honest exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from harness.arguments import parse_arguments
from harness.assemble import build_verifier, load_task
from harness.ending import CONFIGURATION, DONE, OUTAGE
from harness.extra import first_line
from harness.finding import Finding
from harness.machine import caches, devices, disk, hub, memory, packages
from harness.offline import forbid_connections
from reward.secret import redact
from reward.verifier import VerifierDown
from tasks.data import cache_folder
from tasks.registry import TASKS

Alias = tyro.conf.arg


@dataclass(frozen=True)
class DoctorFlags:
    """Check the installation; what is named must work, whatever else is missing is only told."""

    device: str = "cpu"
    """A device that must be usable, such as cuda."""
    verifier: str = ""
    """A verifier that must answer its known questions."""
    verifier_args: str = ""
    """Its arguments, as for harness eval."""
    task: Annotated[str, Alias(aliases=["-t", "--tasks"])] = ""
    """Tasks, with commas between them, whose data must be here."""
    data: Path | None = None
    """Folder of benchmark data; HARNESS_DATA when not given."""
    offline: bool = False
    """Make every connection an error."""
    json: bool = False
    """Print JSON instead of lines."""


def main(arguments: list[str]) -> int:
    """Prints the report; 0 when nothing is wrong, 4 when only a server is to blame, else 2."""
    flags = tyro.cli(DoctorFlags, args=arguments, prog="harness doctor")
    if flags.offline:
        forbid_connections()
    if flags.data is not None:
        os.environ["HARNESS_DATA"] = str(flags.data)
    folders = {"runs": Path("runs"), "cache": cache_folder().parent, "models of the hub": hub_cache()}
    found = [*packages(), *devices(flags.device), *memory(), *disk(folders), *hub(), *caches()]
    found += data(tuple(one.strip() for one in flags.task.split(",") if one.strip()))
    found += endpoint(flags.verifier, flags.verifier_args)
    wrong = [one for one in found if one.state == "wrong"]
    lines = [one.line() for one in found]
    lines.append(
        f"{len(wrong)} wrong, {sum(one.state == 'note' for one in found)} to know" if wrong else "nothing is wrong"
    )
    print(redact(json.dumps([asdict(one) for one in found], indent=1) if flags.json else "\n".join(lines)))
    return DONE if not wrong else OUTAGE if all(one.outage for one in wrong) else CONFIGURATION


def hub_cache() -> Path:
    """Where the hub's library keeps weights."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def data(needed: tuple[str, ...]) -> list[Finding]:
    """One line a task: whether its files are here; those that are needed are wrong when they are not."""
    found = []
    with without_downloads():
        for name in (*TASKS, *(one for one in needed if one not in TASKS)):
            if name == "questions" and name not in needed:  # its file is the user's own
                continue
            try:
                task = load_task(name, {})
            except (ValueError, OSError) as error:
                found.append(Finding("data", "wrong" if name in needed else "note", f"{name}: {first_line(error)}"))
            else:
                found.append(Finding("data", "ok", f"{name}@{task.version}: {len(task.samples)} samples"))
    return found


@contextmanager
def without_downloads() -> Iterator[None]:
    """While open, data that is not here is missing and is not fetched."""
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before


def endpoint(name: str, given: str) -> list[Finding]:
    """Whether a verifier is there and right about what is known."""
    if not name:
        return [Finding("verifier", "note", "none was named", "--verifier http --verifier-args base_url=...,model=...")]
    try:
        verifier = build_verifier(name, parse_arguments(given))
    except VerifierDown as down:
        return [Finding("verifier", "wrong", first_line(down), outage=True)]
    except ValueError as error:
        return [Finding("verifier", "wrong", first_line(error))]
    mode = verifier.record.get("mode")
    return [
        Finding("verifier", "ok", f"{verifier.id} answered its known questions" + (f", mode {mode}" if mode else ""))
    ]
