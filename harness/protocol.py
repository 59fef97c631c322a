"""How pictures were made: the part of a task's name that keeps refined runs apart from those that draw once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def protocol_of(run: Mapping[str, Any]) -> str:
    """`refine1[gate=all]`; nothing where each picture was drawn once, or the run knew no other way."""
    return str((run.get("refinement") or {}).get("label", ""))


def shown_task(name: str, protocol: str) -> str:
    """`scenes+refine1[gate=all]`: the task's name on boards and tables."""
    return f"{name}+{protocol}" if protocol else name
