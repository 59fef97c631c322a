"""Attention of a block of tokens to its own rows' past, which may be stored once for many rows, and to itself.

Shapes: B rows, S heads, T key-value heads, L tokens of the block, C tokens of a segment, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from harness.bagel.context import Context, KeysValues, Segment

FEW = 8
"""Queries a row up to which each part of the past is read where it lies; for more, one kernel over a copy is faster,
and the scores would fill the memory."""


@dataclass(frozen=True, slots=True)
class Branch:
    """What consecutive rows of one forward may look at."""

    segments: tuple[Segment, ...]
    visible: Tensor | None
    """(rows, 1, L, all C + L) True where a query may see a key; None where all may see all"""

    @classmethod
    def of(cls, context: Context, rows: int, queries: int, own: Tensor | None) -> Branch:
        """That many rows of a context, with `own` (rows, L, L) of their block; None lets the block see itself."""
        return cls(context.segments, context.seen(rows, queries, own))

    def to(self, device: torch.device | int | str, non_blocking: bool = False) -> Branch:
        """For a layer on another device, which has its own keys and values there already; accelerate calls this."""
        return (
            self if self.visible is None else replace(self, visible=self.visible.to(device, non_blocking=non_blocking))
        )


def attend(query: Tensor, own: KeysValues, branches: Sequence[Branch], layer: int) -> Tensor:
    """What each query (B, S, L, D) reads in one layer; the branches share the rows equally."""
    if len(branches) == 1:
        return _attend(query, own, branches[0], layer)
    parts = zip(
        query.chunk(len(branches)), own[0].chunk(len(branches)), own[1].chunk(len(branches)), branches, strict=True
    )
    return torch.cat([_attend(one, (key, value), branch, layer) for one, key, value, branch in parts])


def _attend(query: Tensor, own: KeysValues, branch: Branch, layer: int) -> Tensor:
    past = [segment.layers[layer] for segment in branch.segments]
    if query.shape[2] <= FEW:
        return merged(query, [*past, own], branch.visible)
    key, value = (
        torch.cat([*(spread(one[side], query.shape[0]) for one in past), own[side]], 2) if past else own[side]
        for side in (0, 1)
    )
    grouped = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, attn_mask=branch.visible, enable_gqa=grouped)


def spread(stored: Tensor, rows: int) -> Tensor:
    """Stored keys or values as so many rows; only what one kernel reads, never kept."""
    if stored.shape[0] == rows:
        return stored
    return stored.expand(rows, -1, -1, -1) if stored.shape[0] == 1 else stored.repeat_interleave(rows // len(stored), 0)


def merged(query: Tensor, parts: Sequence[KeysValues], visible: Tensor | None) -> Tensor:
    """Attention to several parts with one softmax over all scores; a part of fewer rows is read where it lies.

    For few tokens a row: the scores are few, and copying a long prompt for each row would cost more than all else.
    """
    scaled = query * query.shape[-1] ** -0.5
    scores = torch.cat([_product(scaled, key.transpose(2, 3)) for key, _ in parts], dim=-1)
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    weights = torch.softmax(scores.float(), dim=-1).to(query.dtype)
    read, place = torch.zeros_like(query), 0
    for key, value in parts:
        read = read + _product(weights[..., place : place + key.shape[2]], value)
        place += key.shape[2]
    return read


def _product(left: Tensor, right: Tensor) -> Tensor:
    """(B, S, L, M) times (P, T, M, N): rows that share one of P, and heads that share one of T, form one matrix."""
    rows, heads, queries, width = left.shape
    stored, groups = right.shape[:2]
    if (stored, groups) == (rows, heads):
        return left @ right
    together = left.reshape(stored, rows // stored, groups, -1, width).transpose(1, 2)
    out = together.reshape(stored, groups, -1, width) @ right
    apart = out.reshape(stored, groups, rows // stored, -1, right.shape[-1]).transpose(1, 2)
    return apart.reshape(rows, heads, queries, -1)
