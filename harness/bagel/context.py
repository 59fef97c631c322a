"""What a unified model has read so far: keys, values, and which of them are real.

Shapes: B rows of queries, P rows of context (B is a multiple of P: consecutive rows share one), C cached tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.bagel.language import KeysValues


@dataclass(frozen=True, slots=True)
class Context:
    """The cache of some rows, never changed in place: reading more makes a new one."""

    layers: tuple[KeysValues, ...] | None
    """Keys and values of each layer; None before anything was read."""
    valid: Tensor
    """(P, C) False where a shorter row is padded"""
    position: Tensor
    """(P,) the next rotary position"""

    @classmethod
    def empty(cls, rows: int, device: torch.device | str = "cpu") -> Context:
        """Nothing read yet."""
        valid = torch.zeros(rows, 0, dtype=torch.bool, device=device)
        return cls(None, valid, torch.zeros(rows, dtype=torch.long, device=device))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.valid.shape[0])

    def rows_at(self, places: Tensor) -> Context:
        """The rows at these places (R,) alone."""
        layers = None
        if self.layers is not None:
            layers = tuple((keys[places], values[places]) for keys, values in self.layers)
        return Context(layers, self.valid[places], self.position[places])

    def repeat(self, times: int) -> Context:
        """Each row `times` over, for rows that will read on apart; drawing alone shares rows without this copy."""
        if times == 1:
            return self
        layers = None
        if self.layers is not None:
            layers = tuple((k.repeat_interleave(times, 0), v.repeat_interleave(times, 0)) for k, v in self.layers)
        return Context(layers, self.valid.repeat_interleave(times, 0), self.position.repeat_interleave(times, 0))

    def extend(self, read: tuple[KeysValues, ...], valid: Tensor, position: Tensor) -> Context:
        """The context after a block was read; rows that shared a prefix get a copy each."""
        before = self.repeat(valid.shape[0] // self.rows)
        layers = read
        if before.layers is not None:
            layers = tuple(
                (torch.cat([k, more_k], 2), torch.cat([v, more_v], 2))
                for (k, v), (more_k, more_v) in zip(before.layers, read, strict=True)
            )
        return Context(layers, torch.cat([before.valid, valid], 1), position)

    def seen(self, rows: int, queries: int, own: Tensor) -> Tensor:
        """The mask (B, 1, L, C + L) of queries that see all of the context, and `own` (B, L, L) of their block."""
        past = self.valid.repeat_interleave(rows // self.rows, 0)[:, None, :].expand(rows, queries, -1)
        return torch.cat([past, own], dim=2)[:, None]

    def start(self, rows: int) -> Tensor:
        """(B,) next positions for that many query rows."""
        return self.position.repeat_interleave(rows // self.rows, 0)


def stack(contexts: Sequence[Context]) -> Context:
    """Contexts under one another, padded on the right to the longest."""
    longest = max(context.valid.shape[1] for context in contexts)
    valid = torch.cat([_widen(context.valid, longest, 1) for context in contexts])
    position = torch.cat([context.position for context in contexts])
    full = next((context.layers for context in contexts if context.layers is not None), None)
    if full is None:
        return Context(None, valid, position)
    layers = []
    for number, pair in enumerate(full):
        sides = []
        for side in (0, 1):
            parts = [
                pair[side].new_zeros(context.rows, pair[side].shape[1], longest, pair[side].shape[3])
                if context.layers is None
                else _widen(context.layers[number][side], longest, 2)
                for context in contexts
            ]
            sides.append(torch.cat(parts))
        layers.append((sides[0], sides[1]))
    return Context(tuple(layers), valid, position)


def _widen(tensor: Tensor, length: int, dimension: int) -> Tensor:
    missing = length - tensor.shape[dimension]
    if not missing:
        return tensor
    shape = list(tensor.shape)
    shape[dimension] = missing
    return torch.cat([tensor, tensor.new_zeros(shape)], dimension)


def pad_ids(
    texts: Sequence[Sequence[int]], device: torch.device | str = "cpu", length: int = 0
) -> tuple[Tensor, Tensor]:
    """Token ids (B, U) and validity (B, U), padded on the right with id 0 to the longest or to `length`."""
    longest = max([length, *(len(text) for text in texts)])
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], dtype=torch.long)
    valid = torch.tensor([[True] * len(text) + [False] * (longest - len(text)) for text in texts])
    return ids.reshape(len(texts), longest).to(device), valid.reshape(len(texts), longest).to(device)
