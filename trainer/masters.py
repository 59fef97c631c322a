"""The numbers that the optimiser steps: a policy's parameters themselves, or float32 shards of them over a launch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from trainer.adapter import refuse_half
from trainer.launch import Launch
from trainer.shards import shard, sum_shards, write


class Masters:
    """Without a mesh, the policy's parameters, whole in every process; over one, the part of each that is its own.

    Over a mesh, masters, their gradients, the optimiser's moments and every slow copy are split, as in ZeRO-2
    (arXiv 1910.02054); the parameters that compute stay whole, in whatever precision they have, since rollouts of
    different length cannot meet to gather them.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], launch: Launch) -> None:
        self.parameters, self.launch, self.mesh = parameters, launch, launch.mesh
        if self.mesh is None:
            refuse_half(parameters)
            self.tensors = parameters
        else:
            mesh = self.mesh
            self.tensors = {name: nn.Parameter(shard(one.float(), mesh)) for name, one in parameters.items()}

    def rounds(self, count: int) -> int:
        """How many micro-batches' gradients this process must help to collect where it has `count` of its own."""
        return count if self.mesh is None else max(self.launch.gather([count]))

    @torch.no_grad()
    def collect(self, names: Iterable[str]) -> None:
        """Moves a micro-batch's gradients to the processes they belong to; one that has no micro-batch joins in."""
        if self.mesh is None:
            return
        for name in names:
            parameter = self.parameters[name]
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            part, master = sum_shards(gradient.float(), self.mesh), self.tensors[name]
            master.grad = part if master.grad is None else master.grad + part
            parameter.grad = None

    def gradients(self) -> list[Tensor]:
        """The gradients of all processes together, for the optimiser."""
        if self.mesh is None:
            self.launch.sum_gradients(list(self.tensors.values()))
        return [one.grad for one in self.tensors.values() if one.grad is not None]

    def publish(self) -> None:
        """Lets the policy compute with what the optimiser has stepped."""
        if self.mesh is not None:
            write(self.parameters, self.tensors)
