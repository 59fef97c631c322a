"""Many questions after one prefix: the picture is read once, its questions lie side by side behind it.

B pictures, P tokens of the longest prefix, Q tokens of all questions of a picture, N wanted logits of a picture. A
question sees the prefix and itself, never another question, and its positions go on where the prefix ended; so each
answer is that of a pass of its own, up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor


@dataclass(frozen=True, slots=True)
class Tail:
    """The tokens of one question after its prefix; logits are wanted at the last `wanted` of them."""

    tokens: tuple[int, ...]
    wanted: int = 1


@dataclass(frozen=True, slots=True)
class Packed:
    """All tails of each picture in one row: ids (B, Q), offsets (B, Q) from the prefix's end, ends (B, N)."""

    ids: Tensor
    offsets: Tensor
    sees: Tensor
    """(B, Q, Q) whether a token sees another of the same row"""
    ends: Tensor


def pack(tails: Sequence[Sequence[Tail]], padding: int) -> Packed:
    """The tails of each picture side by side; what fills a row up sees itself alone."""
    length = max(sum(len(tail.tokens) for tail in row) for row in tails)
    number = max(sum(tail.wanted for tail in row) for row in tails)
    ids = torch.full((len(tails), length), padding)
    offsets, owner = torch.zeros_like(ids), torch.full_like(ids, -1)
    ends = torch.zeros(len(tails), number, dtype=torch.long)
    for row, mine in enumerate(tails):
        start = found = 0
        for place, tail in enumerate(mine):
            stop = start + len(tail.tokens)
            ids[row, start:stop] = torch.tensor(tail.tokens)
            offsets[row, start:stop] = torch.arange(len(tail.tokens))
            owner[row, start:stop] = place
            ends[row, found : found + tail.wanted] = torch.arange(stop - tail.wanted, stop)
            start, found = stop, found + tail.wanted
    alike = (owner[:, :, None] == owner[:, None, :]) & (owner >= 0)[:, :, None]
    sees = (alike & torch.ones(length, length, dtype=torch.bool).tril()) | torch.eye(length, dtype=torch.bool)
    return Packed(ids, offsets, sees, ends)


def mask_of(packed: Packed, prefix: Tensor, kind: torch.dtype) -> Tensor:
    """(B, 1, Q, P + Q) what is added to attention: 0 where a token sees, the least number where it does not."""
    before = prefix.bool()[:, None, :].expand(-1, packed.sees.shape[1], -1)
    sees = torch.cat([before, packed.sees.to(prefix.device)], dim=2)
    return torch.zeros(sees.shape, dtype=kind, device=prefix.device).masked_fill(~sees, torch.finfo(kind).min)[:, None]


def shift_of(model: torch.nn.Module) -> Tensor | int:
    """(B, 1) how far positions lag behind the count of tokens after a picture, which models of Qwen's kind remember."""
    kept = [vars(module)["rope_deltas"] for module in model.modules() if "rope_deltas" in vars(module)]
    return next((one for one in kept if one is not None), 0)


@torch.inference_mode()
def read_shared(
    model: Any, prefix: Mapping[str, Tensor], tails: Sequence[Sequence[Tail]], padding: int
) -> list[list[Tensor]]:
    """Logits (wanted, vocabulary) of each tail of each picture, in float32; prefixes are padded on the right."""
    seen = model(**prefix, use_cache=True, logits_to_keep=1)
    mask = prefix["attention_mask"]
    start = mask.sum(dim=1, keepdim=True) + shift_of(model)
    packed = pack(tails, padding)
    found = model(
        input_ids=packed.ids.to(mask.device),
        attention_mask=mask_of(packed, mask, model.dtype),
        position_ids=start + packed.offsets.to(mask.device),
        past_key_values=seen.past_key_values,
        use_cache=True,
        logits_to_keep=packed.ends.to(mask.device),
    ).logits.float()
    return [cut(logits, row) for logits, row in zip(found, tails, strict=True)]


def cut(logits: Tensor, tails: Sequence[Tail]) -> list[Tensor]:
    """The logits (N, vocabulary) of one picture, a part a tail."""
    total = sum(tail.wanted for tail in tails)
    return list(torch.split(logits[:total], [tail.wanted for tail in tails]))


@torch.inference_mode()
def read_plain(model: Any, whole: Mapping[str, Tensor], wanted: int) -> Tensor:
    """Logits (wanted, vocabulary) at the end of one conversation that is read from its beginning."""
    logits: Tensor = model(**whole, use_cache=False, logits_to_keep=wanted).logits[0]
    return logits.float()
