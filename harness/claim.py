"""Claims on a run folder: which processes write it now. A claim ends with its process, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def take(path: Path, wait: bool = False) -> IO[bytes] | None:
    """An exclusive lock on a file, or None when a live process has it."""
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    return file


def claim(folder: Path, rank: int, processes: int) -> IO[bytes] | None:
    """This process's claim, or None when another live run has the folder; processes of one launch share it."""
    if processes == 1 and others(folder, rank):
        return None
    return take(folder / f".lock.{rank}")


def held(path: Path) -> bool:
    """Whether a live process has this claim."""
    if not path.exists():
        return False
    file = take(path)
    if file is None:
        return True
    file.close()
    return False


def others(folder: Path, rank: int) -> bool:
    """Whether another process still writes rows here."""
    return any(held(path) for path in folder.glob(".lock.[0-9]*") if path.name != f".lock.{rank}")


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """One process at a time."""
    file = take(folder / ".turn", wait=True)
    try:
        yield
    finally:
        if file is not None:
            file.close()
