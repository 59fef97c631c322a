"""The processes of a training run, through accelerate: what must be gathered, summed or agreed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from torch import nn

SHARDING = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
"""Launches that would be plain data parallelism here, and must not look as if they saved memory."""


def refuse_sharding(accelerator: Accelerator) -> None:
    """ValueError for a launch that shards weights, which nothing here does."""
    kind = accelerator.distributed_type
    if kind in SHARDING:
        raise ValueError(
            f"the launch asks for {kind.value}, which shards weights; every process here holds all of them and sums "
            "gradients: launch with recipes/accelerate/ddp.yaml, and train adapters (lora_r) with "
            "gradient_checkpointing where memory is short"
        )


class Launch:
    """One process of a launch; alone it changes nothing."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.rank, self.processes = accelerator.process_index, accelerator.num_processes

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return int(self.rank) == 0

    def gather(self, items: Sequence[Any]) -> list[Any]:
        """The items of all processes, in the order of their ranks."""
        return list(items) if self.processes == 1 else list(gather_object(list(items)))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Adds the gradients of all processes, in one exchange; a parameter without gradient counts as zero."""
        if self.processes == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])
        flat = self.accelerator.reduce(flat, reduction="sum")
        place = 0
        for parameter in parameters:
            size = parameter.numel()
            parameter.grad = flat[place : place + size].view_as(parameter).clone()
            place += size

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process: all of them get the same answer."""
        return any(self.gather([flag]))

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()
