"""The optimisers of pretraining and the course of their learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainer.muon import Muon


def build_optimisers(named: Iterable[tuple[str, Tensor]], lr: float) -> list[Optimizer]:
    """Muon for the layers' matrices, AdamW for the rest; what needs no gradient is left out."""
    learning = [(name, one) for name, one in named if one.requires_grad]
    matrices = [one for name, one in learning if one.ndim == 2 and ".layers." in name]
    rest = [one for name, one in learning if not (one.ndim == 2 and ".layers." in name)]
    return [Muon(matrices, lr), torch.optim.AdamW(rest, lr, betas=(0.9, 0.98), weight_decay=0.0)]


def rate(step: int, steps: int, decay: float, warm: int = 100) -> float:
    """Learning rate of a step as a share of the highest: warm-up, level, linear decay over a share of the steps."""
    return min(1.0, (step + 1) / warm, (steps - step) / max(1.0, decay * steps))


def begin_step(optimisers: Sequence[Optimizer], lr: float) -> None:
    """Sets the learning rate and forgets the gradients of the step before."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.zero_grad()
