"""harness ls: what tasks, models, verifiers and runs there are, without importing models and verifiers."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.benchmark_page import cards, told
from harness.model import MODELS
from harness.protocol import protocol_of, shown_task
from harness.record import SCORED
from reward.verifier import VERIFIERS
from tasks.registry import TASKS, unknown

KINDS: dict[str, Mapping[str, str]] = {"tasks": TASKS, "models": MODELS, "verifiers": VERIFIERS}
RUNS = "runs"
USAGE = f"harness ls {'|'.join(KINDS)} [--json]\nharness ls {RUNS} [FOLDER] [--json]"


def main(arguments: list[str]) -> int:
    """Prints one line a name, or JSON."""
    names = [one for one in arguments if not one.startswith("-")]
    flags = [one for one in arguments if one.startswith("-")]
    if "-h" in flags or "--help" in flags:
        print(USAGE)
        return 0
    for flag in flags:
        if flag != "--json":
            raise ValueError(unknown("flag of ls", flag, ["--json"]))
    if names[:1] == [RUNS] and len(names) <= 2:
        found: Mapping[str, Any] = {one["folder"]: one for one in runs_below(Path(names[1] if names[1:] else RUNS))}
        lines = [line_of(one) for one in found.values()] or [f"no runs below {Path(*names[1:] or [RUNS])}"]
    elif len(names) == 1 and names[0] in KINDS:
        texts = {name: summary(module) for name, module in KINDS[names[0]].items()}
        lines = [f"{name:16} {text}" for name, text in texts.items()]
        found = with_cards(texts) if flags and names[0] == "tasks" else texts
    elif not names:
        raise ValueError(f"harness ls prints one of these: {', '.join([*KINDS, RUNS])}")
    else:
        raise ValueError(unknown("list", " ".join(names), [*KINDS, RUNS]))
    print(json.dumps(found, indent=1, sort_keys=True) if flags else "\n".join(lines))
    return 0


def with_cards(texts: Mapping[str, str]) -> dict[str, Any]:
    """What each task is, with licence, counts, judge and cost of a full run where its card tells them."""
    found = cards()
    return {name: {"summary": text, **(told(found[name]) if name in found else {})} for name, text in texts.items()}


def summary(module: str) -> str:
    """The first line of a module's docstring, without its own name before it."""
    package, _, name = module.rpartition(".")
    folder = importlib.util.find_spec(package)
    if folder is None or not folder.submodule_search_locations:
        return ""
    source = Path(folder.submodule_search_locations[0]) / f"{name}.py"
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0].partition(": ")[2] or text.split("\n")[0]


def runs_below(folder: Path) -> list[dict[str, Any]]:
    """Every run folder at or below a folder, the oldest first; ValueError when there is no such folder."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; `harness eval` writes its runs to {RUNS}/ or to --output-path")
    found = []
    for place, below, files in os.walk(folder):
        if "run.json" in files:
            found.append(run_line(Path(place)))
            below[:] = [one for one in below if one == SCORED]  # its pictures hold no runs, and may be many
    return sorted(found, key=lambda one: (one["started"] or "", one["folder"]))


def run_line(folder: Path) -> dict[str, Any]:
    """What a run folder says of itself; a damaged one is listed as damaged."""
    line: dict[str, Any] = dict.fromkeys(("started", "task", "model", "verifier", "limited", "headline", "coverage"))
    line |= {"folder": folder.as_posix(), "status": "damaged"}
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        name = shown_task(run["task"]["name"], protocol_of(run))
        task = f"{name}@{run['task']['version']} {run['task']['split']}"
        line |= {"started": run["started"], "status": run["status"], "task": task, "model": run["model"]["id"]}
        line |= {"verifier": run["verifier"]["name"], "limited": run["limited"]}
        if (folder / "results.json").exists():
            results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            line["headline"] = results["metrics"][0]["value"] if results["headline"] else None
            line["coverage"] = results["coverage"]["images"]["fraction"]
    except (OSError, ValueError, KeyError, TypeError, IndexError):  # not ours to repair: the line says what is known
        line["status"] = "damaged"
    return line


def line_of(run: Mapping[str, Any]) -> str:
    """One run as a line of text."""
    value = "-" if run["headline"] is None else f"{run['headline']:.3f}"
    what = " · ".join(
        [str(run[name] or "-") for name in ("task", "model", "verifier")] + ["limited"] * bool(run["limited"])
    )
    return f"{run['started'] or '-':25} {run['status']:10} {value:>7}  {what}  {run['folder']}"
