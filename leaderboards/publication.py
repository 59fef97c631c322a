"""Publishing a board: its files to a folder of pages, or to a data set of the hub with the token of the environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.ending import DONE, SaveError
from harness.hub import check_repository, list_files, send
from leaderboards.board import ENTRIES, HEAD, read_board
from leaderboards.form import FILES, FORMS
from leaderboards.reported import read_reported

HUB = "hub:"
CARD = "---\npretty_name: {title}\nconfigs:\n- config_name: default\n  data_files: board.csv\n---\n\n"
"""What the hub reads a data set by."""


def publish(folder: Path, to: str, private: bool, dry_run: bool) -> int:
    """Sends a board to a folder or to `hub:OWNER/NAME`; `dry_run` prints what would be sent."""
    repository = to.removeprefix(HUB) if to.startswith(HUB) else ""
    if to.startswith(HUB):
        check_repository(repository, HUB)
    files = contents(folder, bool(repository))
    print("\n".join(list_files(files, to, dry_run)))
    if dry_run:
        return DONE
    if repository:
        message = f"Board {read_board(folder).title}: {len(files)} files"
        print(send(files, repository, "dataset", private, message))
    else:
        place(files, Path(to))
    return DONE


def contents(folder: Path, for_hub: bool) -> dict[str, bytes | Path]:
    """Every file by its name: the board as it lies, and its forms; the hub reads a card in README.md."""
    board, reported = read_board(folder), read_reported()
    found: dict[str, bytes | Path] = {name: FORMS[form](board, reported).encode() for name, form in FILES.items()}
    if for_hub:
        title = board.title.replace("\n", " ").replace(":", " ")
        found["README.md"] = (CARD.format(title=title) + FORMS["md"](board, reported)).encode()
    found[HEAD] = folder / HEAD
    for part in (ENTRIES, "reported"):
        found |= {f"{part}/{path.name}": path for path in sorted((folder / part).glob("*.json"))}
    return dict(sorted(found.items()))


def place(files: Mapping[str, bytes | Path], target: Path) -> None:
    """Writes the files into a folder; others that lie there are left alone."""
    try:
        for name, content in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content.resolve() != path.resolve():
                shutil.copyfile(content, path)
    except OSError as error:
        raise SaveError(f"{target} cannot be written: {error.strerror}") from error
