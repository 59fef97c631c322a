"""A second device in name alone, for machines that have none: what lies there may meet nothing of the first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

NEAR, FAR = torch.device("cpu"), torch.device("cpu", 1)


class FarTensor(Tensor):
    """A tensor of the second device."""


class Borders(TorchFunctionMode):
    """While open, `.to(FAR)` and `.to(NEAR)` move tensors, and any other function refuses tensors of both devices."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        far = [isinstance(one, FarTensor) for one in tensors]
        if function is Tensor.device.__get__:  # type: ignore[attr-defined]
            return FAR if far[0] else NEAR
        there = any(far)
        named = [one for one in (*args[1:], *kwargs.values()) if isinstance(one, torch.device)]
        if named or function is Tensor.cpu:
            there = bool(named) and named[0] == FAR
        elif function not in (Tensor.copy_, Tensor.__setitem__):
            met = {one for one, tensor in zip(far, tensors, strict=True) if tensor.ndim}
            assert len(met) < 2, f"{function} was given tensors of two devices"
        with torch._C.DisableTorchFunctionSubclass():
            out = function(*args, **kwargs)
        kind = FarTensor if there else Tensor
        return tree_map(lambda one: one.as_subclass(kind) if isinstance(one, Tensor) else one, out)
