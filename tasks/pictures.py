"""Where an editing benchmark's source images are: a folder of the user's, a folder beside the data, or the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.data import Origin, accepted
from tasks.picture_file import PictureFile

HUB = "hub"
"""The word that asks for a download in the place of a folder."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Folders in which a picture's name is looked up, in order."""

    roots: tuple[Path, ...]

    def find(self, name: str) -> Path | None:
        """The picture's file, if there is one; a name cannot lead out of the folder."""
        if ".." in Path(name).parts or Path(name).is_absolute():
            return None
        return next((root / name for root in self.roots if (root / name).is_file()), None)

    def picture(self, name: str) -> PictureFile:
        """The picture of a name, there or not."""
        return PictureFile(name, lambda: self.find(name))


def gallery(
    origin: Origin, hub: str, images: str, data: Path | None, inner: Sequence[str] = ("",), patterns: Sequence[str] = ()
) -> Gallery:
    """The pictures of a benchmark; `inner` are folders beneath the one that is named, `patterns` what a download takes.

    ValueError for a folder that does not exist, and for a download that is refused or fails.
    """
    if images == HUB:
        roots = [download(origin, hub, patterns)]
    elif images:
        if not Path(images).is_dir():
            raise ValueError(f"there is no folder of images {images}; name one, or say images=hub to download {hub}")
        roots = [Path(images)]
    else:
        given = data or (Path(os.environ["HARNESS_DATA"]) if os.environ.get("HARNESS_DATA") else None)
        roots = [] if given is None else [given / origin.folder, given]
    return Gallery(tuple(root / one for root in roots for one in inner if (root / one).is_dir()))


def download(origin: Origin, hub: str, patterns: Sequence[str]) -> Path:
    """The hub's files, from its cache or the network; they follow the licence of the set's own card."""
    if origin.folder not in accepted():
        raise ValueError(
            f"the images of {hub} follow the licence of its card: read it, then add --accept-licence {origin.folder}"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise ValueError("images=hub needs huggingface_hub: install image-harness[data]") from None
    try:
        return Path(snapshot_download(hub, repo_type="dataset", allow_patterns=list(patterns) or None))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"{hub} cannot be had from the hub: {error}; name a folder of its images instead") from None


def hub_rows(origin: Origin, hub: str, images: str) -> Iterator[dict[str, Any]] | None:
    """The rows of a set stored as parquet files, on the hub or in a folder; None where `images` is no such set.

    In the place of a picture stands a function that reads it, so that none is in memory before it is wanted.
    """
    folder = download(origin, hub, ["*.parquet", "**/*.parquet"]) if images == HUB else Path(images)
    files = sorted(str(path) for path in folder.rglob("*.parquet")) if images else []
    if not files:
        return None
    try:
        import datasets  # type: ignore[import-untyped]
    except ImportError:
        raise ValueError("parquet files need the datasets library: install image-harness[data]") from None
    rows = datasets.Dataset.from_parquet(files)
    shown = [name for name, feature in rows.features.items() if isinstance(feature, datasets.Image)]
    for name in shown:
        rows = rows.cast_column(name, datasets.Image(decode=False))
    told = rows.remove_columns(shown)
    return (
        {**row, **{name: partial(stored_picture, rows, place, name) for name in shown}}
        for place, row in enumerate(told)
    )


def stored_picture(rows: Any, place: int, name: str) -> bytes | Path:
    """The picture in one cell of a set, as it is stored."""
    cell = rows[place][name]
    content: bytes | None = cell["bytes"]
    return Path(cell["path"]) if content is None else content


def absent_finding(names: Sequence[str], wanted: int, where: str) -> tuple[str, ...]:
    """One sentence about pictures that are nowhere: how many, which up to ten, and what would do."""
    if not names:
        return ()
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (
        f"{len(names)} of {wanted} source images were not found: {', '.join(names[:10])}{more}; they are in {where}: "
        "name their folder with --task-args images=FOLDER, or say images=hub",
    )
