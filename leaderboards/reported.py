"""Figures that others have published: data files with a source, shown apart and never ranked with runs of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.stored_run import read_object

REPORTED_VERSION = 1
PACKAGED = Path(__file__).parent / "boards" / "reported"
"""The published figures that ship with the package."""
KEYS = {"schema_version", "task", "set", "source", "judge", "scale", "columns", "rows", "note"}
OPTIONAL = {"note"}


@dataclass(frozen=True, slots=True)
class Reported:
    """One published table; the first column is the overall figure of its source."""

    task: str
    set: str
    """Which items, and which edition of the benchmark."""
    source: Mapping[str, str]
    """title, url, and date or commit where they are known"""
    judge: str
    scale: float
    """1 or 100: what the figures lie between 0 and"""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    """model, then its figures; None where the source gives none"""
    note: str = ""


def read_reported(folder: Path = PACKAGED) -> tuple[Reported, ...]:
    """Every published table in a folder, by file name; none where there is no such folder."""
    return tuple(read_table(path) for path in sorted(folder.glob("*.json")))


def read_table(path: Path) -> Reported:
    """One file; ValueError names what is wrong with it."""
    found = read_object(path)
    version = found.get("schema_version")
    if version != REPORTED_VERSION:
        raise ValueError(f"{path} has schema version {version!r}; this image-harness reads {REPORTED_VERSION}")
    strange, missing = sorted(set(found) - KEYS), sorted(KEYS - OPTIONAL - set(found))
    if strange or missing:
        raise ValueError(f"{path}: unknown keys {strange}, missing keys {missing}")
    source = found["source"]
    if not isinstance(source, dict) or not {"title", "url"} <= set(source):
        raise ValueError(f"{path}: a published figure needs a source with title and url")
    rows = tuple(_row(one, found, path) for one in found["rows"])
    return Reported(
        task=str(found["task"]),
        set=str(found["set"]),
        source=source,
        judge=str(found["judge"]),
        scale=float(found["scale"]),
        columns=tuple(found["columns"]),
        rows=rows,
        note=str(found.get("note", "")),
    )


def _row(row: Any, table: Mapping[str, Any], path: Path) -> tuple[str, tuple[float | None, ...]]:
    """{"model": name, "values": [a figure a column, null where there is none]}"""
    if not isinstance(row, dict) or set(row) != {"model", "values"} or len(row["values"]) != len(table["columns"]):
        raise ValueError(f"{path}: the row {row!r} is not a model and {len(table['columns'])} values")
    for value in row["values"]:
        inside = value is None or (isinstance(value, int | float) and 0.0 <= value <= float(table["scale"]))
        if not inside:
            raise ValueError(f"{path}: {row['model']} has the figure {value!r}, no number from 0 to {table['scale']}")
    return str(row["model"]), tuple(row["values"])
