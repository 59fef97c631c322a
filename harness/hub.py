"""Sending files to the hub: listed first, in one commit, with a token that only the environment holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from harness.ending import SaveError
from harness.extra import extra, first_line

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
Content = bytes | Path
"""A file's bytes, or where it lies"""
Kind = Literal["dataset", "model"]


def check_repository(name: str, written: str) -> None:
    """ValueError for what is no OWNER/NAME; `written` is how it looks on the command line."""
    if name.count("/") != 1 or not all(name.split("/")):
        raise ValueError(f"{name!r} names no repository; write {written}OWNER/NAME")


def list_files(files: Mapping[str, Content], to: str, dry_run: bool) -> list[str]:
    """One line a file with size and the beginning of its SHA-256, and one that says where they go."""
    lines = []
    for name, content in files.items():
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        lines.append(f"{size:>14,}  {digest_of(content)[:12]}  {name}")
    return [*lines, f"{len(files)} files {'would go' if dry_run else 'go'} to {to}"]


def digest_of(content: Content) -> str:
    """SHA-256 of a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def send(files: Mapping[str, Content], repository: str, kind: Kind, private: bool, message: str) -> str:
    """One commit on a repository, which is made where it does not exist; gives the commit's address.

    SaveError where nothing was changed.
    """
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
        interface.create_repo(repository, repo_type=kind, private=private, exist_ok=True)
        done = interface.create_commit(repository, operations, repo_type=kind, commit_message=message)
    except (hub.errors.HfHubHTTPError, hub.errors.OfflineModeIsEnabled, OSError, ValueError) as error:
        raise SaveError(f"the {kind} {repository} was not changed: {first_line(error)}") from error
    return str(done.commit_url)
