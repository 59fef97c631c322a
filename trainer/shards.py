"""Tensors split over the processes of a launch along their first axis, as FSDP2 splits them (torch's DTensor)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor


def shard(tensor: Tensor, mesh: DeviceMesh) -> Tensor:
    """This process's part of a tensor that every process has; nothing is sent."""
    split: Tensor = distribute_tensor(tensor.detach(), mesh, [Shard(0)], src_data_rank=None).clone()
    return split


def sum_shards(tensor: Tensor, mesh: DeviceMesh) -> Tensor:
    """This process's part of the sum of a tensor over the processes: one reduce-scatter, in which all must join."""
    partial = DTensor.from_local(tensor, mesh, [Partial()], run_check=False)
    return partial.redistribute(placements=[Shard(0)])


def placed(value: Tensor, like: Tensor) -> Tensor:
    """A value split as another is, or whole as it is; what was split is gathered from all processes."""
    if isinstance(like, DTensor):
        if isinstance(value, DTensor):
            return value
        return shard(value.to(like.device, like.dtype), like.device_mesh)
    return whole(value)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; where it is split, all processes must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def write(targets: Mapping[str, nn.Parameter] | Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copies values into tensors, one after another; either may be split over the processes."""
    for name, target in targets.items():
        target.copy_(placed(values[name], target))


def snapshot(tensors: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies that share no storage with the tensors, split where those are."""
    return {name: one.detach().clone() for name, one in tensors.items()}


def collected(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """All of every tensor, in the memory of the processor, for the process that keeps them; the others only join."""
    found = {}
    for name, one in tensors.items():
        full = whole(one.detach())
        if keep:
            found[name] = full.cpu()
    return found
