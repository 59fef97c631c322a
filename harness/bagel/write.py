"""Writing: tokens after a context, many rows at once.

Shapes: B rows, S steps, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.bagel.context import Context
from harness.bagel.model import Bagel


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; a temperature of 0 takes the likeliest."""

    temperature: float = 1.0
    top_p: float = 1.0
    """Only the likeliest tokens that together reach this probability can be drawn."""
    most: int = 1024
    """Tokens at most, the end mark among them."""

    def __post_init__(self) -> None:
        if self.temperature < 0.0 or not 0.0 < self.top_p <= 1.0 or self.most < 1:
            raise ValueError(
                f"temperature {self.temperature} must be at least 0, top_p {self.top_p} above 0 and at most 1, "
                f"and most {self.most} at least 1"
            )


@dataclass(frozen=True, slots=True)
class Writing:
    """One text as it was sampled."""

    ids: tuple[int, ...]
    """The begin mark, the tokens as sampled, and the end mark, sampled or forced"""
    log_probs: tuple[float, ...]
    """Of each sampled token (neither the begin mark nor a forced end), at the sampling temperature, of all tokens"""
    forced: bool
    """Whether the end mark was put there because `most` tokens had been sampled"""


@torch.no_grad()
def write(bagel: Bagel, context: Context, sampling: Sampling, seeds: Sequence[int]) -> list[Writing]:
    """One continuation a seed; consecutive rows share a row of the context.

    A row depends on its context and its seed alone. The context is not changed: reading what was written, as replay
    does, makes the next one.
    """
    rows, end = len(seeds), bagel.special.end
    uniform = uniforms(seeds, sampling).to(bagel.device)
    last = torch.full((rows,), bagel.special.begin, device=bagel.device)
    going = torch.ones(rows, dtype=torch.bool, device=bagel.device)
    ids, scores = [], []
    for step in range(sampling.most):
        context, logits = bagel.read_text(context, last[:, None].tolist())
        last, score = choose(logits, sampling, uniform[:, step])
        ids.append(last.where(going, end))
        scores.append(score)
        going = going & (last != end)
        if not going.any():
            break
    return gather(bagel, torch.stack(ids, 1), torch.stack(scores, 1))


def uniforms(seeds: Sequence[int], sampling: Sampling) -> Tensor:
    """The random numbers (B, S) that choose the tokens, each row from its own generator on the CPU."""
    if sampling.temperature == 0.0:
        return torch.zeros(len(seeds), sampling.most, dtype=torch.float64)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.rand(sampling.most, generator=one, dtype=torch.float64) for one in generators])


def choose(logits: Tensor, sampling: Sampling, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """The token (B,) that a number in [0, 1) picks from logits (B, V), and its log-probability (B,) among all."""
    scores = torch.log_softmax(logits.float() / (sampling.temperature or 1.0), dim=-1)
    if sampling.temperature == 0.0:
        best, chosen = scores.max(-1)
        return chosen, best
    mass = scores.double().exp()
    if sampling.top_p < 1.0:
        ranked, order = mass.sort(dim=-1, descending=True)
        outside = ranked.cumsum(-1) - ranked >= sampling.top_p
        mass = mass.scatter(-1, order, ranked.masked_fill(outside, 0.0))
    reached = mass.cumsum(-1)
    place = torch.searchsorted(reached, (uniform * reached[:, -1])[:, None], right=True)
    chosen = place.squeeze(-1).clamp(max=logits.shape[-1] - 1)
    return chosen, scores.gather(-1, chosen[:, None]).squeeze(-1)


def gather(bagel: Bagel, ids: Tensor, scores: Tensor) -> list[Writing]:
    """The texts of sampled ids (B, S), which go on with the end mark once it was sampled."""
    begin, end = bagel.special.begin, bagel.special.end
    lengths = ((ids == end).cumsum(1) == 0).sum(1) + 1  # with the end mark, if it was sampled
    texts = []
    for row, row_scores, length in zip(ids.tolist(), scores.tolist(), lengths.tolist(), strict=True):
        forced = length > len(row)
        sampled = row[:length]
        texts.append(Writing((begin, *sampled, *([end] if forced else [])), tuple(row_scores[:length]), forced))
    return texts
