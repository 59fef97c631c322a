"""What a unified model has read so far: keys, values, and which of them are real.

Shapes: R rows of context, B rows of queries (a multiple of R: consecutive rows share one), C tokens of a segment.
A context is a chain of segments, each with a number of rows that divides R. So the members of a group share what was
read before they parted: a prompt is stored once, however many images are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, each (rows, key-value heads, C, head width)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of tokens read together."""

    layers: tuple[KeysValues, ...]
    valid: Tensor
    """(rows, C) False where a shorter row is padded"""
    whole: bool
    """Whether no row is padded, so that no mask is needed"""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.valid.shape[0])

    def join(self, later: Segment) -> Segment:
        """One segment of two with the same rows."""
        layers = tuple(
            (torch.cat([k, more_k], 2), torch.cat([v, more_v], 2))
            for (k, v), (more_k, more_v) in zip(self.layers, later.layers, strict=True)
        )
        return Segment(layers, torch.cat([self.valid, later.valid], 1), self.whole and later.whole)

    def rows_at(self, places: Tensor) -> Segment:
        """The rows at these places alone."""
        layers = tuple((keys[places.to(keys.device)], values[places.to(keys.device)]) for keys, values in self.layers)
        return Segment(layers, self.valid[places], self.whole)


@dataclass(frozen=True, slots=True)
class Context:
    """The cache of some rows, never changed in place: reading more makes a new one."""

    segments: tuple[Segment, ...]
    position: Tensor
    """(R,) the next rotary position"""

    @classmethod
    def empty(cls, rows: int, device: torch.device | str = "cpu") -> Context:
        """Nothing read yet."""
        return cls((), torch.zeros(rows, dtype=torch.long, device=device))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.position.shape[0])

    def rows_at(self, places: Tensor) -> Context:
        """The rows at these places (R,) alone; a segment of one row serves all of them as it is."""
        segments = []
        for segment in self.segments:
            shared = self.rows // segment.rows
            segments.append(segment if segment.rows == 1 else segment.rows_at(places // shared))
        return Context(tuple(segments), self.position[places])

    def extend(self, read: Segment, position: Tensor) -> Context:
        """The context after a segment was read by as many rows or more; nothing that rows share is copied."""
        segments = self.segments
        if segments and segments[-1].rows == read.rows:
            return Context((*segments[:-1], segments[-1].join(read)), position)
        return Context((*segments, read), position)

    def start(self, rows: int) -> Tensor:
        """(B,) next positions for that many query rows."""
        return self.position.repeat_interleave(rows // self.rows, 0)

    def seen(self, rows: int, queries: int, own: Tensor | None) -> Tensor | None:
        """The mask (B, 1, L, all C + L) of L queries that see the context and `own` (B, L, L) of their block.

        None where all see all: no row is padded and `own` is None.
        """
        if own is None and all(segment.whole for segment in self.segments):
            return None
        parts = [
            segment.valid.repeat_interleave(rows // segment.rows, 0)[:, None, :].expand(rows, queries, -1)
            for segment in self.segments
        ]
        block = self.position.new_ones(rows, queries, queries, dtype=torch.bool) if own is None else own
        return torch.cat([*parts, block], dim=2)[:, None]


def pad_ids(
    texts: Sequence[Sequence[int]], device: torch.device | str = "cpu", length: int = 0
) -> tuple[Tensor, Tensor]:
    """Token ids (B, U) and validity (B, U), padded on the right with id 0 to the longest or to `length`."""
    longest = max([length, *(len(text) for text in texts)])
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], dtype=torch.long)
    valid = torch.tensor([[True] * len(text) + [False] * (longest - len(text)) for text in texts])
    return ids.reshape(len(texts), longest).to(device), valid.reshape(len(texts), longest).to(device)
