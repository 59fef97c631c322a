"""A board: a folder with a file for each entry, that lives in git; adding a run twice changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.ending import Damaged, SaveError
from harness.identity import hash_of
from harness.json_lines import replace_text, write_json
from harness.stored_run import read_object
from leaderboards.entry import BOARD_VERSION, Entry, check_entry, columns, from_columns
from leaderboards.reported import Reported, read_reported

HEAD, ENTRIES, VALUES = "board.json", "entries", ".values.json"


@dataclass(frozen=True, slots=True)
class Board:
    """All that a page shows."""

    title: str
    entries: tuple[Entry, ...]
    reported: tuple[Reported, ...] = ()
    apart: tuple[str, ...] = ()
    """Runs that may not enter, each with its reason."""


def start_board(folder: Path, title: str = "") -> None:
    """Makes a board's folder where there is none; its title is the folder's name when not given."""
    try:
        (folder / ENTRIES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"the board {folder} cannot be written: {error.strerror}") from error
    if (folder / HEAD).exists():
        title = title or str(read_head(folder)["title"])
    write_json(folder / HEAD, {"schema_version": BOARD_VERSION, "title": title or folder.resolve().name})


def save_entry(folder: Path, entry: Entry) -> None:
    """Writes an entry into a board's folder: the same bytes for the same run."""
    compact = json.dumps(columns(entry.values), separators=(",", ":"), ensure_ascii=False) + "\n"
    replace_text(folder / ENTRIES / f"{entry.id}{VALUES}", compact)
    write_json(folder / ENTRIES / f"{entry.id}.json", entry.content)


def is_board(folder: Path) -> bool:
    """Whether a folder holds a board."""
    return (folder / HEAD).is_file()


def read_board(folder: Path) -> Board:
    """A board's folder; ValueError for one that is none or of an unknown version, Damaged for an edited entry."""
    head = read_head(folder)
    paths = sorted(path for path in (folder / ENTRIES).glob("*.json") if not path.name.endswith(VALUES))
    return Board(str(head["title"]), tuple(map(read_entry, paths)), read_reported(folder / "reported"))


def read_head(folder: Path) -> Mapping[str, Any]:
    """board.json."""
    path = folder / HEAD
    if not path.is_file():
        raise ValueError(
            f"{folder} is no board: it has no {HEAD}; `harness leaderboard add RUN --board FOLDER` makes one"
        )
    head = read_object(path)
    version = head.get("schema_version")
    if version != BOARD_VERSION:
        raise ValueError(f"{path} has schema version {version!r}; this image-harness reads boards of {BOARD_VERSION}")
    return head


def read_entry(path: Path) -> Entry:
    """One entry with its values."""
    content = read_object(path)
    check_entry(content, str(path))
    beside = path.with_name(f"{path.stem}{VALUES}")
    found = read_object(beside)
    if hash_of(found) != content["values_sha256"]:
        raise Damaged(f"{beside} was changed by hand: its hash does not match; add the run again")
    return Entry(content, from_columns(found))


def distinct(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Each run once, the one that is named last."""
    return tuple({entry.id: entry for entry in entries}.values())
