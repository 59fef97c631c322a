"""Pictures of a run folder read back: where each lies, and what the model had answered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from harness.picture import picture_name
from tasks.sample import Draft, Refinement, Response


def place_of(name: str) -> Path:
    """Where a picture of this name lies in a run folder."""
    return Path("images") / name[:2] / f"{name}.png"


def stored_picture(folder: Path, name: str) -> Image.Image | None:
    """A picture by its name; None when it is lost, cannot be read, or is no longer the picture of that name."""
    try:
        with Image.open(folder / place_of(name)) as image:
            image.load()
            picture = image.copy()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return picture if picture_name(picture) == name else None


def stored_response(folder: Path, row: Mapping[str, Any]) -> Response | None:
    """What the model answered, as its row tells it; None when one of its pictures cannot be had."""
    image = stored_picture(folder, row["image"]["sha256"])
    drafts = [(stored_picture(folder, draft["image"]), draft["reflection"]) for draft in row["drafts"]]
    kept = tuple(Draft(picture, reflection) for picture, reflection in drafts if picture is not None)
    if image is None or len(kept) < len(drafts):
        return None
    refinement = row.get("refinement")
    return Response(image, row["thought"], kept, refinement=Refinement(**refinement) if refinement else None)


def drop_pictures(folder: Path, row: Mapping[str, Any]) -> None:
    """Takes away what lies under the names of a row's pictures, so that they are written anew."""
    for name in (row["image"]["sha256"], *(draft["image"] for draft in row["drafts"])):
        (folder / place_of(name)).unlink(missing_ok=True)
