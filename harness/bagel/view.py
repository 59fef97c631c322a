"""A picture as the model reads it: clean latents for one expert, patches for the eyes.

Shapes: N latent tokens of W numbers, M patches of V numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.bagel.context import Context
from harness.bagel.model import Bagel, Canvas

Grid = tuple[int, int]
"""Rows and columns of tokens."""


@dataclass(frozen=True, slots=True)
class View:
    """One picture in both forms; a form that is not read is None."""

    latents: Tensor | None
    """(N, W) at noise level 0: the posterior mean, or the pixels themselves"""
    latent_grid: Grid
    patches: Tensor | None
    """(M, V) of the vision encoder"""
    patch_grid: Grid


def read_views(bagel: Bagel, context: Context, views: Sequence[View]) -> Context:
    """The context after one picture a row: latent tokens, then patches; rows may differ in size but not in form."""
    latents = [view.latents for view in views if view.latents is not None]
    patches = [view.patches for view in views if view.patches is not None]
    for found in (latents, patches):
        if found and len(found) < len(views):
            raise ValueError("pictures read together must all be read in the same forms")
    if latents:
        canvas = Canvas.of([view.latent_grid for view in views], bagel.config.max_latent_size, bagel.device)
        context = bagel.read_latents(context, pad(latents).to(bagel.device), canvas)
    if patches:
        side = bagel.config.vit_max_num_patch_per_side
        canvas = Canvas.of([view.patch_grid for view in views], side, bagel.device)
        context = bagel.read_patches(context, pad(patches).to(bagel.device), canvas)
    return context


def pad(rows: Sequence[Tensor]) -> Tensor:
    """Token matrices under one another, padded with zeros to the longest."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
