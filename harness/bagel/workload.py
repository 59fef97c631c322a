"""What one chunk of an evaluation asks of the model, for the estimate."""

from __future__ import annotations

from harness.bagel.config import BagelConfig
from harness.bagel.estimate import Work
from harness.bagel.lens import Lens
from harness.bagel.schedule import sigma_grid
from harness.bagel.unified import Drawing
from harness.bagel.write import Sampling

TEXT, SYSTEM = 64, 64
"""Tokens of a prompt and of the request for a plan, about."""


def chunk_work(config: BagelConfig, drawing: Drawing, plan: Sampling | None, edits: bool, width: int) -> Work:
    """A chunk that draws, or edits one image of its own size each, with a plan before it or none.

    A plan takes the room of the longest one, to which it is padded.
    """
    cells = drawing.height // config.downsample * (drawing.width // config.downsample)
    eyes = Lens.of(config).patches
    sources: tuple[tuple[int, int], ...] = ()
    if edits and config.vit is not None and eyes is not None:
        wide, high = eyes.fit(drawing.width, drawing.height)
        sources = ((cells, wide * high // config.vit.patch_size**2),)
    return Work(
        tuple(sigma_grid(drawing.points, drawing.shift).tolist()),
        (drawing.editing or drawing.guidance) if edits else drawing.guidance,
        drawing.rows,
        1,
        cells,
        TEXT,
        0 if plan is None else SYSTEM,
        0 if plan is None else plan.most + 1,
        sources,
        width,
    )
