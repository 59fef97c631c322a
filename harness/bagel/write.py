"""Writing: tokens after a context, many rows at once."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.bagel.context import Context
from harness.bagel.model import Bagel


@torch.no_grad()
def write(model: Bagel, context: Context, most: int) -> list[list[int]]:
    """The likeliest continuation of each row: the begin mark, then at most `most - 1` ids, up to the end mark."""
    rows = context.rows
    written = [[model.special.begin] for _ in range(rows)]
    going = [True] * rows
    for _ in range(most - 1):
        context, logits = model.read_text(context, [row[-1:] for row in written])
        chosen: Tensor = logits.argmax(-1)
        for row, one in enumerate(chosen.tolist()):
            if going[row]:
                going[row] = one != model.special.end
                written[row].append(one)
        if not any(going):
            break
    return written
