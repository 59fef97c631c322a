"""Muon in float32, many matrices at once.

`torch.optim.Muon` orthogonalises one matrix after another in bfloat16; on processors without bfloat16 arithmetic that
took ten times as long as this. The rule is the same (Jordan et al. 2024; Nesterov momentum, five Newton-Schulz steps).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration of the Muon reference implementation (KellerJordan/Muon)."""


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices (M, rows, columns) with their singular values driven towards 1, all at once."""
    a, b, c = COEFFICIENTS
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    flat: Tensor = x if matrices.shape[1] <= matrices.shape[2] else x.mT
    return flat


class Muon(Optimizer):
    """Momentum orthogonalised, for two-dimensional weights; learning rates of AdamW's size (update RMS 0.2)."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - the base's signature
        """Updates each matrix by its orthogonalised momentum, scaled to RMS 0.2 (Moonlight, arXiv 2502.16982)."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[tuple(parameter.shape)].append(parameter)
            for shape, parameters in shapes.items():
                update = orthogonalise(torch.stack([self.push(one, group["momentum"]) for one in parameters]))
                scale = 0.2 * max(shape) ** 0.5 * group["lr"]
                for parameter, direction in zip(parameters, update, strict=True):
                    parameter.mul_(1.0 - group["lr"] * group["decay"])
                    parameter.add_(direction, alpha=-scale)

    def push(self, parameter: Tensor, momentum: float) -> Tensor:
        """The Nesterov momentum of one matrix after its gradient was added."""
        if parameter.grad is None:
            raise RuntimeError("a matrix without a gradient has no momentum to push")
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum"]
        buffer.lerp_(parameter.grad, 1.0 - momentum)
        return parameter.grad.lerp(buffer, momentum)
