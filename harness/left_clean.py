"""Output folders of commands that fail before they write anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def left_clean(folders: Iterable[Path]) -> Iterator[None]:
    """Where what is done inside fails, folders that hold nothing are taken away again."""
    try:
        yield
    except BaseException:
        for folder in folders:
            with suppress(OSError):  # something stands in it
                folder.rmdir()
        raise
