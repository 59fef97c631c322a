"""Publishing a board: its files to a folder of pages, or to a data set of the hub with the token of the environment."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.ending import DONE, SaveError
from harness.extra import extra, first_line
from leaderboards.board import ENTRIES, HEAD, read_board
from leaderboards.form import FILES, FORMS
from leaderboards.reported import read_reported

HUB = "hub:"
CARD = "---\npretty_name: {title}\nconfigs:\n- config_name: default\n  data_files: board.csv\n---\n\n"
"""What the hub reads a data set by."""
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def publish(folder: Path, to: str, private: bool, dry_run: bool) -> int:
    """Sends a board to a folder or to `hub:OWNER/NAME`; `dry_run` prints what would be sent."""
    repository = to.removeprefix(HUB) if to.startswith(HUB) else ""
    if to.startswith(HUB) and repository.count("/") != 1:
        raise ValueError(f"{to!r} names no data set; write {HUB}OWNER/NAME")
    files = contents(folder, bool(repository))
    for name, content in files.items():
        whole = content if isinstance(content, bytes) else content.read_bytes()
        print(f"{len(whole):>10,}  {hashlib.sha256(whole).hexdigest()[:12]}  {name}")
    print(f"{len(files)} files {'would go' if dry_run else 'go'} to {to}")
    if dry_run:
        return DONE
    if repository:
        print(send(files, repository, private, str(read_board(folder).title)))
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


def send(files: Mapping[str, bytes | Path], repository: str, private: bool, title: str) -> str:
    """One commit on a data set, which is made where it does not exist; gives the commit's address."""
    hub = extra("huggingface_hub", "data")
    token = next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")
    if not token:
        raise ValueError(f"publishing to the hub needs a token with write access in {TOKENS[0]}")
    interface = hub.HfApi(token=token)
    operations = [
        hub.CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
        for name, content in files.items()
    ]
    try:
        interface.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        done = interface.create_commit(
            repository, operations, repo_type="dataset", commit_message=f"Board {title}: {len(files)} files"
        )
    except (hub.errors.HfHubHTTPError, hub.errors.OfflineModeIsEnabled, OSError, ValueError) as error:
        raise SaveError(f"the data set {repository} was not changed: {first_line(error)}") from error
    return str(done.commit_url)
