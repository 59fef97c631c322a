"""JSON on disk: files replaced whole, rows appended line by line, both read back with every fault named."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.ending import Damaged, SaveError
from reward.secret import HIDDEN, secrets


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a JSON file at once: sorted keys, UTF-8, never NaN."""
    content = hidden(content, secrets())
    replace_text(path, json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Replaces a text file at once; SaveError says why it cannot be written."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise SaveError(f"{path} cannot be written: {error.strerror}") from error


def read_lines(path: Path, needed: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of a JSONL file; a torn last line is left out, a broken one elsewhere is an error that names it."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):
                continue
            raise Damaged(f"{path} is damaged: line {number} is not JSON; remove that line to go on") from None
        if not isinstance(row, dict) or not set(needed) <= set(row):
            raise Damaged(f"{path} is damaged: line {number} is not a row of a run; remove that line to go on")
        rows.append(row)
    return rows


def json_line(content: Mapping[str, Any]) -> str:
    """One row as a line: sorted keys, UTF-8, never NaN."""
    content = hidden(content, secrets())
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def hidden(content: Any, values: Sequence[str]) -> Any:
    """The same content; texts that hold the value of a secret variable have it taken out (harness.md R14)."""
    if not values:
        return content
    if isinstance(content, str):
        for value in values:
            content = content.replace(value, HIDDEN)
        return content
    if isinstance(content, Mapping):
        return {hidden(name, values): hidden(value, values) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [hidden(value, values) for value in content]
    return content
