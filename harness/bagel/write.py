"""Writing: tokens after a context, many rows at once.

Shapes: B rows, S steps, V vocabulary, R rows of context that B / R rows each share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.bagel.context import Context, KeysValues, Segment
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

    @property
    def longest(self) -> int:
        """Tokens of the longest text: the begin mark, what is sampled, and an end mark that is forced."""
        return self.most + 2


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
def write(
    bagel: Bagel, context: Context, sampling: Sampling, seeds: Sequence[int], steady: bool = False
) -> list[Writing]:
    """One continuation a seed; consecutive rows share a row of the context.

    A row depends on its context and its seed alone. The context is not changed: reading what was written, as replay
    does, makes the next one. Rows that have ended leave the batch, unless it is `steady`: a processor's sums depend on
    the shape of its matrices, and with steady ones a row has the same bits beside any neighbours.
    """
    rows, end = len(seeds), bagel.special.end
    ids = torch.full((rows, sampling.most), end, device=bagel.device)
    scores = torch.zeros(rows, sampling.most, device=bagel.device)
    desk = Desk.of(bagel, context, uniforms(seeds, sampling))
    for step in range(sampling.most):
        hidden, read = bagel.read_token(desk.context(step), desk.last)
        desk.keep(step, read)
        last, score = choose(bagel.language_model.lm_head(hidden), sampling, desk.uniform[:, step])
        last = last.where(desk.going, end)
        ids[desk.places, step], scores[desk.places, step] = last, score
        desk.last, desk.going = last, last != end
        going = desk.going.cpu()  # the one time a token that the host waits for the device
        if not going.any():
            break
        if not steady and not going.all():
            desk.leave(going)
    return gather(bagel, ids[:, : step + 1], scores[:, : step + 1])


class Desk:
    """The rows that still write: where they began, and room for the keys and values of what they write."""

    def __init__(self, began: Context, uniform: Tensor, last: Tensor) -> None:
        self.began, self.uniform, self.last = began, uniform, last
        self.room: list[KeysValues] = []
        self.places = torch.arange(len(last), device=last.device)
        self.going = torch.ones_like(last, dtype=torch.bool)

    @classmethod
    def of(cls, bagel: Bagel, context: Context, uniform: Tensor) -> Desk:
        """Every row at its begin mark; `uniform` (B, S) chooses the tokens."""
        last = torch.full((len(uniform),), bagel.special.begin, device=bagel.device)
        return cls(context, uniform.to(bagel.device), last)

    def context(self, step: int) -> Context:
        """What the token of this step reads: views of what is there, no copy."""
        position = self.began.start(len(self.last)) + step
        if not step:
            return Context(self.began.segments, position)
        layers = tuple((keys[:, :, :step], values[:, :, :step]) for keys, values in self.room)
        written = Segment(layers, self.going.new_ones(len(self.last), step), whole=True)
        return Context((*self.began.segments, written), position)

    def keep(self, step: int, read: tuple[KeysValues, ...]) -> None:
        """Puts a step's keys and values in their room, which is made on each layer's own device at the first."""
        if not self.room:
            wide = (*read[0][0].shape[:2], self.uniform.shape[1], read[0][0].shape[3])
            self.room = [(key.new_empty(wide), value.new_empty(wide)) for key, value in read]
        for (keys, values), (key, value) in zip(self.room, read, strict=True):
            keys[:, :, step], values[:, :, step] = key[:, :, 0], value[:, :, 0]

    def leave(self, going: Tensor) -> None:
        """Lets rows (B,) on the host that are not `going` leave, as far as every context row keeps equally many."""
        table = going.reshape(self.began.rows, -1)
        some = table.any(1).nonzero()[:, 0]
        widest = int(table.sum(1).max())
        if len(some) * widest == len(going):
            return
        first = table[some].int().argsort(dim=1, descending=True, stable=True)[:, :widest]
        stay = (some[:, None] * table.shape[1] + first).flatten().to(self.last.device)
        if len(some) < self.began.rows:
            self.began = self.began.rows_at(some.to(self.last.device))
        self.uniform, self.last, self.places, self.going = (
            one[stay] for one in (self.uniform, self.last, self.places, self.going)
        )
        self.room = [(keys[stay.to(keys.device)], values[stay.to(keys.device)]) for keys, values in self.room]


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
