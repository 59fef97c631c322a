"""Reading trajectories again: contexts before each drawing, and the log-probabilities of each text.

Shapes: B rows, J evaluations of a row, U tokens, L = U - 1 predictions, N latent tokens, D numbers in a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.bagel.chunk import TEXT_BUCKET
from harness.bagel.context import pad_ids
from harness.bagel.draw import Contexts
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.walk import Walk, drew_image, given_image, given_text, wrote_words
from harness.bagel.write import Sampling
from trainer.sampler import row_velocity
from trainer.trajectory import Drew, Given, Step, Trajectory, Wrote, shared_rows


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one step of all rows, read again."""

    log_probs: Tensor
    """(B, L) of each sampled token, with gradient where it was asked for"""
    old: Tensor
    """(B, L) as they were sampled"""
    entropies: Tensor
    """(B, L)"""
    mask: Tensor
    """(B, L) 1 for sampled tokens; the begin mark, a forced end and padding are 0"""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Rows walked through once: the contexts of each drawing, detached, and each text."""

    contexts: tuple[Any, ...]
    """What the policy itself needs of each drawing; the unified model's are `Contexts`"""
    texts: tuple[Texts, ...]


def replay_walk(bagel: Bagel, trajectories: Sequence[Trajectory], train: bool) -> Replayed:
    """Walks trajectories of the same kinds of steps; `train` keeps the gradient of texts, never that of contexts."""
    shared = shared_rows([one.situation.group for one in trajectories])
    walk = Walk.begin(len(trajectories) // shared, bagel.device)
    contexts: list[Contexts] = []
    texts: list[Texts] = []
    columns = list(zip(*(one.steps for one in trajectories), strict=True))
    for column in columns:
        if isinstance(column[0], Wrote):
            walk, found = _wrote(bagel, walk, [one for one in column if isinstance(one, Wrote)], train)
            texts.append(found)
        elif isinstance(column[0], Drew):
            contexts.append(Contexts(walk.main, walk.text_free, walk.image_free))
            views = [step.view for step in column if isinstance(step, Drew) and step.view is not None]
            with torch.no_grad():
                walk = drew_image(bagel, walk, views, last=not views)
        else:
            walk = read_given(bagel, walk, column[:: len(column) // walk.main.rows])
    return Replayed(tuple(contexts), tuple(texts))


@torch.no_grad()
def read_given(bagel: Bagel, walk: Walk, steps: Sequence[Step]) -> Walk:
    """The walk after one given text or picture a row; texts are padded to a multiple of the bucket."""
    given = [step for step in steps if isinstance(step, Given)]
    views = [step.view for step in given if step.view is not None]
    if views:
        return given_image(bagel, walk, views)
    longest = max(len(step.ids) for step in given)
    return given_text(bagel, walk, [step.ids for step in given], -(-longest // TEXT_BUCKET) * TEXT_BUCKET)


def _wrote(bagel: Bagel, walk: Walk, wrote: Sequence[Wrote], train: bool) -> tuple[Walk, Texts]:
    ids = [step.ids for step in wrote]
    with torch.set_grad_enabled(train):
        after, hidden, _ = wrote_words(bagel, walk, ids, private=wrote[0].private, last=False)
        texts = read_texts(bagel, wrote, hidden)
    if not train:
        return after, texts
    with torch.no_grad():  # what the picture reads is detached: the image loss does not reach the text before it
        detached, _, _ = wrote_words(bagel, walk, ids, private=wrote[0].private, last=False)
    return detached, texts


def read_texts(bagel: Bagel, wrote: Sequence[Wrote], hidden: Tensor) -> Texts:
    """Log-probabilities of texts from the hidden states (B, U, H) of their tokens."""
    ids, valid = pad_ids([step.ids for step in wrote], bagel.device, hidden.shape[1])
    mask = valid[:, 1:].clone()
    for row, step in enumerate(wrote):
        if step.forced:
            mask[row, len(step.ids) - 2] = False
    sampling = wrote[0].sampling
    logits = bagel.language_model.lm_head(hidden[:, :-1][mask])  # only where a token was sampled
    chosen, entropy = choice(logits, ids[:, 1:][mask], sampling)
    log_probs = torch.zeros(mask.shape, device=bagel.device).masked_scatter(mask, chosen)
    entropies = torch.zeros(mask.shape, device=bagel.device).masked_scatter(mask, entropy.detach())
    old = torch.zeros(mask.shape)
    for row, step in enumerate(wrote):
        old[row, : len(step.log_probs)] = torch.tensor(step.log_probs)
    return Texts(log_probs, old.to(bagel.device), entropies, mask.float())


def choice(logits: Tensor, ids: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy (M,) of tokens (M,) under logits (M, V) at the sampling temperature.

    With top-p below 1 both are those of the tokens that could be drawn, renormalised.
    """
    scores = torch.log_softmax(logits.float() / (sampling.temperature or 1.0), dim=-1)
    if sampling.top_p < 1.0:
        mass, order = scores.detach().exp().sort(dim=-1, descending=True)
        outside = mass.cumsum(-1) - mass >= sampling.top_p
        barred = torch.zeros_like(outside).scatter(-1, order, outside)
        barred = barred.scatter(-1, ids[:, None], False)  # what was drawn could be drawn, whatever the last bit says
        scores = scores.masked_fill(barred, float("-inf"))
        scores = torch.log_softmax(scores, dim=-1)
    entropy = -torch.xlogy(scores.detach().exp(), scores.detach().exp()).sum(-1)
    return scores.gather(-1, ids[:, None]).squeeze(-1), entropy


def velocities(
    bagel: Bagel, contexts: Contexts, latents: Tensor, sigmas: Tensor, grid: tuple[int, int], guidance: Guidance
) -> Tensor:
    """Velocities (B, J, N, D) of latents (B, J, N, D) at levels (B, J), all in one forward that shares the contexts."""
    rows, each = latents.shape[:2]
    canvas = Canvas.of([grid] * (rows * each), bagel.config.max_latent_size, bagel.device)
    flat = row_velocity(bagel, contexts, latents.flatten(0, 1), sigmas.flatten(), canvas, guidance)
    return flat.view(rows, each, *flat.shape[1:])
