"""What one chunk of an evaluation asks of the model, for the estimate."""

from __future__ import annotations

from harness.bagel.config import BagelConfig
from harness.bagel.estimate import Work
from harness.bagel.lens import Lens
from harness.bagel.schedule import sigma_grid
from harness.bagel.unified import Drawing
from harness.bagel.write import Sampling

TEXT, SYSTEM, THOUGHT = 64, 64, 300
"""Tokens of a prompt, of the request for a plan, and of a plan, about."""


def chunk_work(config: BagelConfig, drawing: Drawing, plan: Sampling | None, edits: bool, width: int) -> Work:
    """A chunk that draws, or edits one image of its own size each, with a plan before it or none."""
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
        0 if plan is None else min(THOUGHT, plan.most),
        sources,
        width,
    )
