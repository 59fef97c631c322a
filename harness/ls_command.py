"""harness ls: what tasks, models and verifiers there are, without importing them."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

from harness.model import MODELS
from reward.verifier import VERIFIERS
from tasks.registry import TASKS, unknown

KINDS: dict[str, Mapping[str, str]] = {"tasks": TASKS, "models": MODELS, "verifiers": VERIFIERS}


def main(arguments: list[str]) -> int:
    """Prints one line a name, or JSON."""
    names = [one for one in arguments if not one.startswith("-")]
    flags = [one for one in arguments if one.startswith("-")]
    if "-h" in flags or "--help" in flags:
        print(f"harness ls {'|'.join(KINDS)} [--json]")
        return 0
    for flag in flags:
        if flag != "--json":
            raise ValueError(unknown("flag of ls", flag, ["--json"]))
    if len(names) != 1 or names[0] not in KINDS:
        raise ValueError(unknown("list", " ".join(names), KINDS))
    found = {name: summary(module) for name, module in KINDS[names[0]].items()}
    if flags:
        print(json.dumps(found, indent=1, sort_keys=True))
    else:
        for name, text in found.items():
            print(f"{name:16} {text}")
    return 0


def summary(module: str) -> str:
    """The first line of a module's docstring, without its own name before it."""
    package, _, name = module.rpartition(".")
    folder = importlib.util.find_spec(package)
    if folder is None or not folder.submodule_search_locations:
        return ""
    source = Path(folder.submodule_search_locations[0]) / f"{name}.py"
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0].partition(": ")[2] or text.split("\n")[0]
