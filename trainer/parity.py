"""The parity gate: a replay of a rollout must give the log-probabilities of the rollout (method.md 9.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from harness.ending import ParityError
from trainer.objective import FORWARD, Stack, stacked
from trainer.policy import Policy
from trainer.replay import Replayed
from trainer.sde import log_prob
from trainer.train_config import TrainConfig
from trainer.trajectory import Trajectory

CAUSES = (
    "latents kept in half precision, another guidance, autocast on one side only, another batch shape, "
    "a grid shifted twice, other positions, top-p"
)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a replay is from its rollout, with gradient off and on."""

    largest: float
    mean: float
    worst_sigma: float
    text: float
    """Largest difference of a token's log-probability"""


def measure(policy: Policy, trajectories: Sequence[Trajectory]) -> Parity:
    """Replays trajectories of the same kinds in the geometry of their rollout: one transition at a time."""
    largest, total, count, worst, text = 0.0, 0.0, 0, 0.0, 0.0
    for gradient in (False, True):
        with torch.set_grad_enabled(gradient):
            replayed = policy.replay(trajectories, train=gradient)
            for column in replayed.texts:
                text = max(text, float(((column.log_probs.detach() - column.old) * column.mask).abs().max()))
            for number in range(len(trajectories[0].drawings)):
                stack = stacked([one.drawings[number] for one in trajectories], policy.device, policy.sampler.scale)
                for place in range(stack.sigma.shape[1]):
                    off = difference(policy, replayed, number, stack, place)
                    total, count = total + float(off.sum()), count + len(off)
                    if float(off.max()) >= largest:
                        largest, worst = float(off.max()), float(stack.sigma[off.argmax(), place])
    return Parity(largest, total / max(1, count), worst, text)


def difference(policy: Policy, replayed: Replayed, number: int, stack: Stack, place: int) -> torch.Tensor:
    """|l - l_old| (B,) of one transition."""
    before, sigma = stack.before[:, place : place + 1], stack.sigma[:, place : place + 1]
    velocity = policy.velocities(replayed, number, before, sigma, stack.guidance)[:, 0]
    mean = stack.of_latent[:, place, None, None] * stack.before[:, place]
    mean = mean + stack.of_velocity[:, place, None, None] * velocity
    now = log_prob(stack.after[:, place], mean, stack.deviation[:, place], stack.scale)
    return (now - stack.log_probs_old[:, place]).detach().abs()


def check_parity(policy: Policy, trajectories: Sequence[Trajectory], config: TrainConfig) -> Parity | None:
    """The parity of some trajectories; ParityError where it is not good enough. None for losses that need none."""
    if config.image.loss in FORWARD:
        return None
    same = [one for one in trajectories if one.shape == trajectories[0].shape][: config.rollout_batch_size]
    found = measure(policy, same)
    if config.bf16:
        good, told, limit = found.mean <= config.image.epsilon / 4, found.mean, config.image.epsilon / 4
    else:
        good, told, limit = found.largest <= 1e-6, found.largest, 1e-6
    if not good or found.text > 1e-4:
        raise ParityError(
            f"a replay differs from its rollout: log-probabilities of images by {told:.2e} (allowed {limit:.1e}, "
            f"worst at sigma {found.worst_sigma:.3f}), of tokens by {found.text:.2e}; likely causes: {CAUSES}"
        )
    return found
