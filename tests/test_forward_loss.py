"""NFT and AWM, with the numbers of method.md 8.6, and their fixed points."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, tensor

from trainer import forward_loss
from trainer.advantage import advantages

CLEAN, NOISE = tensor([[0.4, -0.2]], dtype=torch.float64), tensor([[-0.6, 1.0]], dtype=torch.float64)
TIME = tensor([0.5], dtype=torch.float64)
OLD, NOW = tensor([[-0.8, 1.0]], dtype=torch.float64), tensor([[-0.9, 1.1]], dtype=torch.float64)
NOISY = forward_loss.noised(CLEAN, NOISE, TIME)


def nft(value: float, strength: float, adaptive: bool, velocity: Tensor = NOW) -> Tensor:
    advantage = tensor([value], dtype=torch.float64)
    return forward_loss.nft(velocity, OLD, NOISY, CLEAN, TIME, advantage, strength, adaptive)


@pytest.mark.parametrize(
    ("value", "strength", "plain", "adaptive"),
    [
        (2.5, 1.0, 0.0375, 0.375),
        (0.0, 1.0, 0.0625, 0.5),
        (-5.0, 1.0, 0.1125, 0.75),
        (2.5, 0.1, 0.476250, 4.875),
        (0.0, 0.1, 0.501250, 5.0),
        (-5.0, 0.1, 0.551250, 5.25),
    ],
)
def test_T18_nft_has_the_published_values(value: float, strength: float, plain: float, adaptive: float) -> None:
    assert NOISY.tolist() == [pytest.approx([-0.1, 0.4])]
    assert nft(value, strength, False).item() == pytest.approx(plain, abs=1e-9)
    assert nft(value, strength, True).item() == pytest.approx(adaptive, abs=1e-6)


@pytest.mark.parametrize("value", [2.5, 0.0, -4.0, 9.0])
def test_T18_nft_gradient_at_the_old_velocity_is_the_same_for_every_strength(value: float) -> None:
    weight = min(max(value / 5, -1), 1) / 2 + 0.5
    wanted = -2 * 0.5 * (2 * weight - 1) * (NOISY - 0.5 * OLD - CLEAN) * 5 / 2
    for strength in (1.0, 0.1, 0.01):
        velocity = OLD.clone().requires_grad_()
        (found,) = torch.autograd.grad(nft(value, strength, False, velocity).sum(), velocity)
        assert torch.allclose(found, wanted, atol=1e-14)
    if value == 2.5:
        assert wanted.tolist() == [pytest.approx([0.125, -0.125])]


@pytest.mark.parametrize(
    ("weight", "now", "old", "rho"),
    [
        ("uniform", -0.01, -0.04, 1.030455),
        ("t", -0.005, -0.02, 1.015113),
        ("t2", -0.0025, -0.01, 1.007528),
        ("huber", -0.049995, -0.099995, 1.051271),
        ("ghuber", -0.626131, -0.888103, 1.299490),
    ],
)
def test_T19_awm_likelihoods_are_the_published_ones(weight: str, now: float, old: float, rho: float) -> None:
    target = NOISE - CLEAN
    found = [forward_loss.evidence(one, target, TIME, weight).item() for one in (NOW, OLD)]
    assert found == pytest.approx([now, old], abs=1e-6)
    assert torch.tensor(found[0] - found[1]).exp().item() == pytest.approx(rho, abs=2e-6)


@pytest.mark.parametrize("weight", list(forward_loss.WEIGHTS))
def test_T19_awm_at_ratio_one_is_the_policy_gradient_of_the_evidence(weight: str) -> None:
    velocity = NOW.clone().requires_grad_()
    now = forward_loss.evidence(velocity, NOISE - CLEAN, TIME, weight)
    (found,) = torch.autograd.grad(forward_loss.awm(now, now.detach(), tensor([2.5]).double()).sum(), velocity)
    (wanted,) = torch.autograd.grad(-0.5 * forward_loss.evidence(velocity, NOISE - CLEAN, TIME, weight).sum(), velocity)
    assert torch.allclose(found, wanted, atol=1e-14)


def test_T19_ghuber_with_power_one_is_time_times_the_error() -> None:
    target = NOISE - CLEAN
    huber = forward_loss.evidence(NOW, target, TIME, "ghuber", 1.0)
    assert torch.allclose(huber, forward_loss.evidence(NOW, target, TIME, "t"), atol=1e-12)


def test_the_velocity_variant_weighs_errors_of_the_velocity_by_time() -> None:
    target = NOISE - CLEAN  # (-1, 1.2)
    good, bad = (0.01 / 0.1 * 0.5, 0.09 / 0.3 * 0.5)  # e = v - u and e = 2 v_old - v - u
    found = forward_loss.nft_velocity(NOW, OLD, target, TIME, tensor([2.5]).double())
    assert found.item() == pytest.approx(5 * (0.75 * good + 0.25 * bad), abs=1e-9)


def test_slow_adapters_follow_their_schedules() -> None:
    assert [forward_loss.slow_decay(step, "nft") for step in (0, 100, 900)] == [0.0, 0.1, 0.5]
    assert [forward_loss.slow_decay(step, "awm") for step in (0, 100, 900)] == [0.0, 0.1, 0.3]
    late = [forward_loss.slow_decay(step, "nft_late") for step in (75, 77, 900)]
    assert late == pytest.approx([0.0, 0.015, 0.999])
    assert forward_loss.average_decay(0, 0.9) == 0.1


def descend(kind: str, seed: int) -> float:
    """b after training the family N(b, 1), whose exact velocity is v_b, with reward x and reference b = 0."""
    random = torch.Generator().manual_seed(seed)
    place = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([place], lr=0.05)
    rows, size = 64, 32
    trail = []

    def velocity(b: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        whole = (1 - time) ** 2 + time**2
        return (2 * time - 1) / whole * (noisy - (1 - time) * b) - b

    for step in range(360):
        for group in optimiser.param_groups:
            group["lr"] = 0.05 if step < 90 else 0.008
        drawn = place.detach() + torch.randn(rows, size, dtype=torch.float64, generator=random)
        groups = [row for row in range(rows) for _ in range(size)]
        value = torch.from_numpy(advantages(drawn.flatten().tolist(), groups, "group"))
        clean = drawn.flatten()[:, None]
        time = torch.rand(rows * size, dtype=torch.float64, generator=random)
        noise = torch.randn(rows * size, 1, dtype=torch.float64, generator=random)
        noisy = forward_loss.noised(clean, noise, time)
        now, level = velocity(place, noisy, time[:, None]), time[:, None]
        if kind == "awm":
            evidence = forward_loss.evidence(now, noise - clean, time, "uniform")
            # A enters as it is, not over 5: the fixed point is that of method.md T20
            terms = forward_loss.awm(evidence, evidence.detach(), value, most=1.0e9) * 1.0e9
            terms = terms + forward_loss.distance(now, velocity(torch.zeros(1), noisy, level))
        else:
            terms = forward_loss.nft(now, now.detach(), noisy, clean, time, value, adaptive=False)
            terms = terms + forward_loss.distance(now, velocity(torch.zeros(1), noisy, level))
        optimiser.zero_grad()
        terms.mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        trail.append(place.item())
    return sum(trail[-230:]) / 230


@pytest.mark.parametrize(("kind", "wanted"), [("awm", 0.968), pytest.param("nft", 0.483, marks=pytest.mark.proof)])
def test_T20_the_losses_meet_their_fixed_points(kind: str, wanted: float) -> None:
    assert descend(kind, 0) == pytest.approx(wanted, rel=0.05)
