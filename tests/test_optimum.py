"""Whole learning runs whose optimum is known: a linear flow with Gaussian data, and a bandit of two words."""

from __future__ import annotations

import math

import pytest
import torch

from harness.bagel.schedule import sigma_grid
from trainer import divergence, loss
from trainer.advantage import advantages
from trainer.sde import Transition, log_prob, transition

BETA = 2.0


def steps_of(kernel: str, eta: float) -> list[Transition]:
    sigmas = [float(one) for one in sigma_grid(7, 1.0)]
    return [transition(kernel, sigmas, place, eta) for place in range(6)]


def slope(step: Transition) -> float:
    """Multiplier of x in the mean of a step under the exact velocity of N(0, 1)."""
    sigma = step.sigma
    return step.of_latent + step.of_velocity * (2 * sigma - 1) / ((1 - sigma) ** 2 + sigma**2)


def learn(kernel: str, eta: float, trained: int, scale: str = "gaussian", normalise: bool = False) -> list[float]:
    """Offsets of the mean of each trained step after GRPO with the final x as its reward and the exact KL."""
    steps = steps_of(kernel, eta)
    offsets = torch.zeros(trained, dtype=torch.float64, requires_grad=True)
    random = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam([offsets], lr=0.008, betas=(0.9, 0.99))
    rows, size, trail = 128, 16, []
    groups = [row for row in range(rows) for _ in range(size)]
    for update in range(300):
        optimiser.param_groups[0]["lr"] = 0.008 if update < 60 else 0.001
        latents = torch.randn(rows * size, 1, dtype=torch.float64, generator=random)
        states = [latents]
        for place, step in enumerate(steps):
            mean = slope(step) * states[-1] + (offsets[place].detach() if place < trained else 0.0)
            noise = torch.randn(rows * size, 1, dtype=torch.float64, generator=random)
            states.append(mean + (step.deviation if place < trained or kernel != "cps" else 0.0) * noise)
        reward = states[-1].flatten().tolist()
        value = torch.from_numpy(advantages(reward, groups, "batch" if normalise else "none"))
        total = torch.zeros(rows * size, dtype=torch.float64)
        for place in range(trained):
            step = steps[place]
            base = slope(step) * states[place]
            now = log_prob(states[place + 1], base + offsets[place], step.deviation, scale)  # type: ignore[arg-type]
            total = total + loss.clipped(loss.aligned_ratio(now), value, 0.2, 0.2)
            total = total + BETA * divergence.exact(base + offsets[place], base, step.deviation)
        optimiser.zero_grad()
        total.mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        trail.append(offsets.detach().clone())
    found: list[float] = torch.stack(trail[110:]).mean(0).tolist()
    return found


def optimum(kernel: str, eta: float, trained: int) -> list[float]:
    steps = steps_of(kernel, eta)
    after = [math.prod(slope(step) for step in steps[place + 1 :]) for place in range(6)]
    return [after[place] * steps[place].deviation ** 2 / BETA for place in range(trained)]


@pytest.mark.parametrize(
    ("kernel", "eta", "wanted"),
    [
        ("flow", 0.7, [0.1160, 0.1715, 0.0911, 0.0496, 0.0233, 0.0082]),
        pytest.param("dance", 0.3, [0.0068, 0.0081, 0.0092, 0.0093, 0.0086, 0.0075], marks=pytest.mark.proof),
        pytest.param("cps", 0.6, [0.0827, 0.1000, 0.0862, 0.0444, 0.0105], marks=pytest.mark.proof),
    ],
)
def test_T21_linear_gaussian_training_meets_its_optimum(kernel: str, eta: float, wanted: list[float]) -> None:
    assert optimum(kernel, eta, len(wanted)) == pytest.approx(wanted, abs=6e-5)
    # the group's baseline holds the sample itself: (G - 1) / G of the unbiased gradient
    shrunk = [one * 15 / 16 for one in wanted]
    assert learn(kernel, eta, len(wanted)) == pytest.approx(shrunk, rel=0.02, abs=2e-4)


@pytest.mark.proof
def test_T21_advantages_divided_by_their_spread_move_the_optimum_by_it() -> None:
    wanted = [0.1244, 0.1840, 0.0977, 0.0532, 0.0250, 0.0088]
    # the spread of group-centred rewards is sqrt(15/16) of the whole, the gradient 15/16 of the unbiased one
    shrunk = [one * math.sqrt(15 / 16) for one in wanted]
    assert learn("flow", 0.7, 6, normalise=True) == pytest.approx(shrunk, rel=0.02, abs=2e-4)


@pytest.mark.proof
def test_T21_log_probabilities_without_their_scale_weigh_steps_by_the_noise() -> None:
    found = learn("cps", 0.6, 5, scale="none")
    wanted = [0.0752, 0.0582, 0.0282]
    assert found[:3] == pytest.approx([one * 15 / 16 for one in wanted], rel=0.02, abs=2e-4)


def test_T22_a_bandit_of_two_words_meets_its_tilted_reference() -> None:
    reference = torch.tensor([0.3, -0.4], dtype=torch.float64)
    rewards, beta = torch.tensor([0.2, 0.9], dtype=torch.float64), 0.5
    logits = reference.clone().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.02)
    random = torch.Generator().manual_seed(0)
    rows, size, trail = 32, 32, []
    groups = [row for row in range(rows) for _ in range(size)]
    for update in range(240):
        optimiser.param_groups[0]["lr"] = 0.03 if update < 60 else 0.005
        drawn = torch.multinomial(logits.detach().softmax(0), rows * size, True, generator=random)
        value = torch.from_numpy(advantages(rewards[drawn].tolist(), groups, "none")) * size / (size - 1)
        now = logits.log_softmax(0)[drawn][:, None]
        before = reference.log_softmax(0)[drawn][:, None]
        mask = torch.ones_like(now)
        ratios = loss.text_ratio(now, now.detach(), mask, "sequence")
        # the k3 estimator's gradient under sampling is exact only with the ratio's own gradient beside it
        penalty = beta * (divergence.k3(now, before, mask) + ratios * divergence.k3(now, before, mask).detach())
        terms = loss.text_loss(ratios, value, mask, 0.2, 0.28) + penalty
        optimiser.zero_grad()
        terms.mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        trail.append(logits.detach().softmax(0))
    wanted = (reference + rewards / beta).softmax(0)
    assert torch.stack(trail[90:]).mean(0).tolist() == pytest.approx(wanted.tolist(), abs=0.01)
