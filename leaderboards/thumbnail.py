"""Small pictures for a report, each once under its content's name; made on several threads, not made again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from harness.ending import SaveError
from harness.stored_picture import place_of

SIDE = 256
"""Pixels of the longer side; smaller pictures are kept as they are."""
SUFFIX = ".webp"


def thumbnails(names: Mapping[str, Path], folder: Path) -> set[str]:
    """Writes the small form of each picture, given with the run folder that it lies in; gives those that were found."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{folder} cannot be written: {error.strerror}") from error
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        made = pool.map(partial(shrink, folder=folder), names, names.values())
        return {name for name, there in zip(names, made, strict=True) if there}


def shrink(name: str, run: Path, folder: Path) -> bool:
    """One small picture; False when the large one is lost or cannot be read."""
    target = folder / f"{name}{SUFFIX}"
    if target.is_file():
        return True
    try:
        with Image.open(run / place_of(name)) as image:
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    whole = max(small.size) <= SIDE
    if not whole:
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    new = target.with_name(f"{name}.{os.getpid()}.new")
    try:
        small.save(new, "WEBP", lossless=whole, quality=80)
        new.replace(target)
    except OSError as error:
        raise SaveError(f"{target} cannot be written: {error}") from error
    return True


def drop_others(folder: Path, names: Iterable[str]) -> None:
    """Removes the small pictures of an earlier report that this one does not show."""
    kept = {f"{name}{SUFFIX}" for name in names}
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name not in kept:
            path.unlink()
