"""The processes of a training run, through accelerate: what must be gathered, summed or agreed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import FullyShardedDataParallelPlugin, gather_object
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy

SERVED = "recipes/accelerate/fsdp2.yaml splits masters, gradients, moments and slow copies over the processes"

BUCKET = 2**25
"""Numbers of gradients in one exchange: a message for many small tensors, little memory beside large ones."""


def check_sharding() -> None:
    """ValueError for a launch that asks for more, or for other machinery, than `Masters` has; no option is ignored."""
    for name, engine in (("ACCELERATE_USE_DEEPSPEED", "DeepSpeed"), ("ACCELERATE_USE_MEGATRON_LM", "Megatron-LM")):
        if asked(name):
            raise ValueError(f"the launch asks for {engine}, whose engine does not run here; {SERVED}, as ZeRO-2 does")
    if not shards():
        return
    plugin = FullyShardedDataParallelPlugin()
    options = {
        "fsdp_version: 1": plugin.fsdp_version == 1,
        "fsdp_reshard_after_forward: true": plugin.fsdp_version == 2 and plugin.reshard_after_forward,
        "fsdp_offload_params: true": isinstance(plugin.cpu_offload, CPUOffloadPolicy),
        "fsdp_cpu_ram_efficient_loading: true": plugin.cpu_ram_efficient_loading,
        "fsdp_activation_checkpointing: true (gradient_checkpointing of the recipe does it)":
            plugin.activation_checkpointing,
    }  # fmt: skip
    wrong = [name for name, given in options.items() if given]
    if wrong:
        raise ValueError(f"the launch asks for {', '.join(wrong)}, which is not done here; {SERVED}")


def shards() -> bool:
    """Whether accelerate was launched with FSDP."""
    return asked("ACCELERATE_USE_FSDP")


def asked(name: str) -> bool:
    """What accelerate's launcher tells by the environment; on a CPU the state of an Accelerator does not have it."""
    return os.environ.get(name, "").lower() == "true"


def buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in their order, in lists of about BUCKET numbers."""
    bucket, size = list[nn.Parameter](), 0
    for parameter in parameters:
        if bucket and size + parameter.numel() > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket


class Launch:
    """One process of a launch; alone it changes nothing."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.rank, self.processes = accelerator.process_index, accelerator.num_processes
        self.mesh: DeviceMesh | None = None
        """The processes that share what is split; None where everything is whole"""
        if shards() and torch.distributed.is_initialized():
            self.mesh = init_device_mesh(accelerator.device.type, (self.processes,))

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return int(self.rank) == 0

    def gather(self, items: Sequence[Any]) -> list[Any]:
        """The items of all processes, in the order of their ranks."""
        return list(items) if self.processes == 1 else list(gather_object(list(items)))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Adds the gradients of all processes, in buckets; a parameter without gradient counts as zero."""
        if self.processes == 1:
            return
        for bucket in buckets(parameters):
            gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
            flat = self.accelerator.reduce(torch.cat([one.flatten() for one in gradients]), reduction="sum")
            for parameter, part in zip(bucket, flat.split([one.numel() for one in bucket]), strict=True):
                parameter.grad = part.view_as(parameter).clone()

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process: all of them get the same answer."""
        return any(self.gather([flag]))

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()
