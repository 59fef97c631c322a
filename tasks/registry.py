"""Finds what a name stands for: a module of ours by its short name, anybody's by its dotted name."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

MOST = 100
"""Names that a sentence about a wrong one lists, at most."""
TASKS = {
    "scenes": "tasks.scenes",
    "scenes-reason": "tasks.scenes_reason",
    "scenes-edit": "tasks.scenes_edit",
    "questions": "tasks.question_file",
    "geneval": "tasks.geneval",
    "geneval-rewritten": "tasks.geneval_rewritten",
    "geneval-plus": "tasks.geneval_plus",
    "geneval2": "tasks.geneval2",
    "dpg": "tasks.dpg",
    "dsg": "tasks.dsg",
    "tifa": "tasks.tifa",
    "tiif": "tasks.tiif",
    "tiif-lettering": "tasks.tiif_lettering",
    "wise-legacy": "tasks.wise_legacy",
    "wise-verified": "tasks.wise_verified",
    "t2i-reasonbench": "tasks.reasonbench",
    "t2i-compbench-attributes": "tasks.compbench_attributes",
    "t2i-compbench-objects": "tasks.compbench_objects",
    "t2i-compbench-complex": "tasks.compbench_complex",
    "t2i-compbench-actions": "tasks.compbench_actions",
    "oneig-alignment": "tasks.oneig_alignment",
    "oneig-text": "tasks.oneig_text",
    "oneig-style": "tasks.oneig_style",
    "oneig-reasoning": "tasks.oneig_reasoning",
    "genai-bench": "tasks.genai",
    "gedit": "tasks.gedit",
    "imgedit": "tasks.imgedit",
    "kris-bench": "tasks.kris",
    "risebench": "tasks.rise",
    "unigenbench": "tasks.unigen",
    "r2i-bench": "tasks.r2i",
}
"""Task names; each module has a dataclass `Arguments` and a function `load(arguments) -> Task`."""


def find_module(kind: str, name: str, registry: Mapping[str, str]) -> ModuleType:
    """The module behind a registered or dotted name; ValueError names the choices for any other."""
    if name in registry:
        return importlib.import_module(registry[name])
    if "." not in name:
        raise ValueError(unknown(kind, name, registry))
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # an installed command does not look where the user stands
    try:
        return importlib.import_module(name)
    except TypeError as error:
        raise ValueError(f"{name!r} is not the dotted name of a {kind} module") from error
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise
        raise ValueError(f"no {kind} module named {name!r} can be imported from here") from error


def unknown(kind: str, name: str, choices: Iterable[str]) -> str:
    """One sentence about a name that does not exist: the nearest ones, then all, or how many where they fill pages."""
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(one) for one in near)}?" if near else ";"
    if len(known) > MOST:
        return f"no {kind} named {name!r}{hint} there are {len(known)} choices"
    return f"no {kind} named {name!r}{hint} the choices are: {', '.join(known)}"
