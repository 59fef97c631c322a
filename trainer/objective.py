"""The loss of a micro-batch of trajectories: replay, ratios, divergences, one number a trajectory.

Shapes: B trajectories, W trained transitions, N latent tokens, D numbers in a token, L tokens of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.bagel.guidance import Guidance
from tasks.key import key
from trainer import divergence, loss
from trainer.forward_loss import awm, distance, evidence, nft, nft_velocity, noised
from trainer.policy import Policy
from trainer.replay import Replayed, Texts
from trainer.sde import LogProbScale, log_prob
from trainer.train_config import ImageConfig, TextConfig
from trainer.trajectory import Drew, Trajectory

FORWARD = ("nft", "nft_velocity", "awm")
"""Losses that noise the final latent again and need no probabilities of the rollout."""
UNGUIDED = Guidance(1.0, 1.0)
Figures = dict[str, Tensor]
"""Named figures, one number (B,) a trajectory, without gradient."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the loss weighs, each with gradient."""

    image: Tensor
    """(B, W) one term a trained transition"""
    text: Tensor | None
    """(B,)"""
    figures: Figures


@dataclass(frozen=True, slots=True)
class Still:
    """What other weights than the current ones say of the same micro-batch, without gradient; None where not needed."""

    reference: tuple[Tensor, ...] | None = None
    """Velocities (B, W, N, D) of each drawing"""
    old: tuple[Tensor, ...] | None = None
    average: tuple[Tensor, ...] | None = None
    texts: tuple[Texts, ...] | None = None
    """Of the reference"""


@dataclass(frozen=True, slots=True)
class Stack:
    """The trained transitions of one drawing of every trajectory."""

    before: Tensor
    """(B, W, N, D)"""
    after: Tensor
    mean_old: Tensor
    log_probs_old: Tensor
    """(B, W)"""
    sigma: Tensor
    """(B, W), as are the next four"""
    of_latent: Tensor
    of_velocity: Tensor
    deviation: Tensor
    length: Tensor
    guidance: Guidance
    scale: LogProbScale


def stacked(drawings: Sequence[Drew], device: torch.device, scale: LogProbScale) -> Stack:
    """One drawing of every trajectory as tensors."""

    def column(name: str) -> Tensor:
        values = [[getattr(one, name) for one in drew.transitions] for drew in drawings]
        return torch.tensor(values, dtype=torch.float32, device=device)

    before, after, mean, old = (
        torch.stack([getattr(drew, name) for drew in drawings]).to(device)
        for name in ("before", "after", "mean", "log_probs")
    )
    numbers = [column(name) for name in ("sigma", "of_latent", "of_velocity", "deviation", "length")]
    sigma, of_latent, of_velocity, deviation, length = numbers
    tensors = before, after, mean, old, sigma, of_latent, of_velocity, deviation, length
    return Stack(*tensors, drawings[0].guidance, scale)


def noisy_stack(drawings: Sequence[Drew], trajectories: Sequence[Trajectory], device: torch.device) -> Stack:
    """Final latents noised again to the levels of each window, with noise that the trajectory's name decides."""
    clean = torch.stack([drew.final for drew in drawings])
    sigma = torch.tensor([[one.sigma for one in drew.transitions] for drew in drawings])
    noise = torch.stack([forward_noise(one, drew) for one, drew in zip(trajectories, drawings, strict=True)])
    wide = clean[:, None].expand_as(noise)
    noisy = noised(wide.flatten(0, 1), noise.flatten(0, 1), sigma.flatten()).view_as(noise)
    nothing = torch.zeros_like(sigma)
    noisy, wide, noise, nothing, sigma = (one.to(device) for one in (noisy, wide, noise, nothing, sigma))
    tensors = noisy, wide, noise, nothing, sigma, nothing, nothing, nothing, nothing
    return Stack(*tensors, UNGUIDED, "gaussian")


def forward_noise(trajectory: Trajectory, drew: Drew) -> Tensor:
    """Noise (W, N, D) of the forward process, the same in every pass over the trajectory."""
    group = trajectory.situation.group
    name = ("forward", group.seed, group.step, group.slot, group.attempt, trajectory.member)
    rows = [
        torch.randn(drew.final.shape, generator=torch.Generator().manual_seed(key(*name, place) % 2**63))
        for place in range(len(drew.transitions))
    ]
    return torch.stack(rows)


def stacks(
    trajectories: Sequence[Trajectory], config: ImageConfig, device: torch.device, scale: LogProbScale
) -> list[Stack]:
    """The stack of each round's drawing."""
    columns = list(zip(*(one.drawings for one in trajectories), strict=True))
    if config.loss in FORWARD:
        return [noisy_stack(column, trajectories, device) for column in columns]
    return [stacked(column, device, scale) for column in columns]


def speeds(policy: Policy, replayed: Replayed, found: Sequence[Stack]) -> tuple[Tensor, ...]:
    """The policy's velocities (B, W, N, D) of each round, all transitions in one forward."""
    return tuple(
        policy.velocities(replayed, number, one.before, one.sigma, one.guidance) for number, one in enumerate(found)
    )


def image_terms(
    config: ImageConfig,
    stack: Stack,
    velocity: Tensor,
    advantages: Tensor,
    still: tuple[Tensor | None, ...],
    aligned: bool,
) -> tuple[Tensor, Figures]:
    """Terms (B, W) of one drawing; `still` are reference, old and average velocities, `aligned` means on-policy."""
    reference, old, average = still
    if config.loss in FORWARD:
        return forward_terms(config, stack, velocity, advantages, (reference, old, average))
    flat = _flat(stack, velocity)
    now = log_prob(flat["after"], flat["mean"], flat["deviation"], stack.scale).view_as(stack.sigma)
    wide = loss.of_sample(advantages, now)
    change = (flat["mean"] - stack.mean_old.flatten(0, 1)).square().flatten(1).mean(1).view_as(now)
    if aligned and config.loss == "grpo":
        ratios = loss.aligned_ratio(now)
    elif config.loss == "guard":
        ratios = loss.guard_log_ratio(now, stack.log_probs_old, change, stack.deviation).exp()
    else:
        ratios = loss.ratio(now, stack.log_probs_old)
    if config.loss == "dppo":
        terms = loss.proximal(ratios, wide, change.detach() / (2.0 * stack.deviation**2), config.epsilon)
    else:
        terms = loss.clipped(ratios, wide, config.epsilon, config.epsilon)
    if config.tempflow:
        terms = terms * loss.tempflow_weights(stack.deviation / stack.length.sqrt(), stack.length)
    if config.over_length:
        terms = terms / stack.length
    figures = {"clip_ratio": (ratios.detach() - 1.0).abs().gt(config.epsilon).float().mean(1),
               "ratio": ratios.detach().mean(1)}  # fmt: skip
    if reference is not None:
        far = divergence_of(config, stack, flat, velocity, reference)
        terms, figures["kl"] = terms + config.beta * far, far.detach().mean(1)
    return terms, figures


def _flat(stack: Stack, velocity: Tensor) -> dict[str, Tensor]:
    mean = stack.of_latent[..., None, None] * stack.before + stack.of_velocity[..., None, None] * velocity
    return {
        "mean": mean.flatten(0, 1),
        "after": stack.after.flatten(0, 1),
        "deviation": stack.deviation.flatten(),
        "length": stack.length.flatten(),
    }


def divergence_of(
    config: ImageConfig, stack: Stack, flat: dict[str, Tensor], velocity: Tensor, reference: Tensor
) -> Tensor:
    """The divergence (B, W) that `beta` weighs."""
    if config.divergence == "velocity":
        return divergence.velocity(velocity.flatten(0, 1), reference.flatten(0, 1)).view_as(stack.sigma)
    other = _flat(stack, reference)["mean"]
    if config.divergence == "latent":
        return divergence.latent(flat["mean"], other).view_as(stack.sigma)
    if config.divergence == "legacy":
        return divergence.legacy(flat["mean"], other, flat["deviation"], flat["length"]).view_as(stack.sigma)
    return divergence.exact(flat["mean"], other, flat["deviation"]).view_as(stack.sigma)


def forward_terms(
    config: ImageConfig, stack: Stack, velocity: Tensor, advantages: Tensor, still: tuple[Tensor | None, ...]
) -> tuple[Tensor, Figures]:
    """Terms (B, W) of NFT or AWM; a stack's `after` is the clean latent and its `mean_old` the noise."""
    reference, old, average = still
    now, noisy, clean = velocity.flatten(0, 1), stack.before.flatten(0, 1), stack.after.flatten(0, 1)
    target, time = stack.mean_old.flatten(0, 1) - clean, stack.sigma.flatten()
    wide = loss.of_sample(advantages, stack.sigma).flatten()
    before = now.detach() if old is None else old.flatten(0, 1)
    if config.loss == "awm":
        likely = evidence(now, target, time, config.awm_weight)
        terms = awm(likely, evidence(before, target, time, config.awm_weight).detach(), wide)
    elif config.loss == "nft":
        terms = nft(now, before, noisy, clean, time, wide, config.beta_nft)
    else:
        terms = nft_velocity(now, before, target, time, wide, config.beta_nft)
    figures: Figures = {}
    if reference is not None:
        far = distance(now, reference.flatten(0, 1))
        terms = terms + config.beta * far
        figures["kl"] = far.detach().view_as(stack.sigma).mean(1)
    if average is not None and config.beta_ema > 0.0:
        terms = terms + config.beta_ema * distance(now, average.flatten(0, 1))
    return terms.view_as(stack.sigma), figures


def text_terms(
    config: TextConfig, texts: Texts, advantages: Tensor, reference: Texts | None, aligned: bool
) -> tuple[Tensor, Figures]:
    """Loss (B,) of one text of every trajectory."""
    now = texts.log_probs
    mask = loss.entropy_mask(texts.entropies, texts.mask, config.top_entropy_quantile)
    ratios = loss.text_ratio(now, now if aligned else texts.old, mask, config.importance_sampling_level)
    terms = loss.text_loss(ratios, advantages, mask, config.epsilon, config.epsilon_high)
    if config.rollout_correction:
        terms = terms * loss.rollout_weights(now, texts.old, texts.mask)
    outside = (ratios.detach() < 1.0 - config.epsilon) | (ratios.detach() > 1.0 + config.epsilon_high)
    figures = {
        "text_clip_ratio": outside.float().flatten(1).mean(1) if ratios.ndim > 1 else outside.float(),
        "entropy": loss.masked_mean(texts.entropies, texts.mask),
        "completion_length": texts.mask.sum(1),
    }
    if reference is not None:
        far = divergence.k3(now, reference.log_probs, texts.mask)
        terms, figures["text_kl"] = terms + config.beta * far, far.detach()
    return terms, figures
