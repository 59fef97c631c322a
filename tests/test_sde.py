"""Transitions of a flow: golden values of method.md 8.1 and 8.2, ends of the grid, marginals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from harness.bagel.guidance import Guidance
from harness.bagel.schedule import sigma_grid
from trainer.sde import DIFFUSIONS, KERNELS, Transition, family, log_prob, preserving, transition

FLOW = [
    (16, 0, 1.000000, -0.023256, 4.590207, 0.755000, -0.023256, 0.700000),
    (16, 1, 0.976744, -0.025525, 4.536518, 0.731098, -0.031778, 0.724774),
    (16, 5, 0.857143, -0.038961, 1.714643, 0.933182, -0.048506, 0.338446),
    (16, 10, 0.600000, -0.078261, 0.857321, 0.952065, -0.097435, 0.239837),
    (40, 0, 1.000000, -0.008696, 7.506664, 0.755000, -0.008696, 0.700000),
    (40, 5, 0.953271, -0.010414, 3.161645, 0.945400, -0.012965, 0.322641),
    (40, 9, 0.909091, -0.012184, 2.213594, 0.967165, -0.015169, 0.244336),
    (40, 14, 0.842697, -0.015110, 1.620185, 0.976466, -0.018812, 0.199160),
]
OTHERS = [
    (16, 0, 0.998953, -0.023256, 0.045750, 0.325086, -0.023256, 0.928939),
    (16, 1, 0.998824, -0.025552, 0.047929, 0.342723, -0.040810, 0.904664),
    (16, 5, 0.997955, -0.039253, 0.059216, 0.434650, -0.119725, 0.778137),
    (16, 10, 0.994130, -0.080609, 0.083925, 0.639487, -0.222466, 0.496203),
    (40, 5, 0.999508, -0.010437, 0.030615, 0.348502, -0.040858, 0.896710),
    (40, 14, 0.999193, -0.015237, 0.036877, 0.428152, -0.105064, 0.787081),
]
SPREADS = [
    (1.0, 10, 0.8790, 0.9650, 0.8873, 0.7237),
    (1.0, 40, 0.9684, 0.9995, 0.9705, 0.7817),
    (0.6, 10, 0.5218, 0.5778, 0.5317, 0.4263),
    (0.6, 40, 0.5795, 0.5979, 0.5820, 0.4651),
    (0.6, 400, 0.5979, 0.6016, 0.5982, 0.4816),
    (0.2, 10, 0.1542, 0.1836, 0.1738, 0.1293),
    (0.2, 40, 0.1877, 0.1956, 0.1925, 0.1498),
    (0.0, 10, 0.0, 0.0828, 0.1104, 0.0),
    (0.0, 40, 0.0, 0.0196, 0.0978, 0.0),
]


def grid(points: int, shift: float = 3.0) -> list[float]:
    return [float(one) for one in sigma_grid(points, shift)]


def final_spread(kernel: str, count: int, spread: float, eta: float) -> float:
    """Standard deviation after all transitions of a uniform grid under the exact velocity of N(.5, spread^2)."""
    sigmas, variance = grid(count + 1, 1.0), 1.0
    for place in range(count):
        step, sigma = transition(kernel, sigmas, place, eta), sigmas[place]
        whole = (1 - sigma) ** 2 * spread**2 + sigma**2
        slope = (sigma - (1 - sigma) * spread**2) / whole
        variance *= (step.of_latent + step.of_velocity * slope) ** 2
        variance += step.deviation**2
    return math.sqrt(variance)


def coefficients(step: Transition) -> tuple[float, float, float]:
    return step.of_latent, step.of_velocity, step.deviation


@pytest.mark.parametrize("row", FLOW)
def test_T11_flow_transitions_have_their_golden_values(row: tuple[float, ...]) -> None:
    points, place, sigma, length, diffusion, *wanted = row
    step = transition("flow", grid(int(points)), int(place), 0.7)
    assert (step.sigma, -step.length) == pytest.approx((sigma, length), abs=1e-6)
    assert step.deviation / math.sqrt(step.length) == pytest.approx(diffusion, abs=1e-4)
    assert coefficients(step) == pytest.approx(tuple(wanted), abs=2e-6)
    if place == 0:
        assert step.deviation == pytest.approx(0.7, abs=1e-6)
        assert step.of_latent == pytest.approx(1 - 0.7**2 / 2, abs=1e-6)


@pytest.mark.parametrize("row", OTHERS)
def test_T11_dance_and_cps_transitions_have_their_golden_values(row: tuple[float, ...]) -> None:
    sigmas, place = grid(int(row[0])), int(row[1])
    assert coefficients(transition("dance", sigmas, place, 0.3)) == pytest.approx(row[2:5], abs=2e-6)
    assert coefficients(transition("cps", sigmas, place, 0.8)) == pytest.approx(row[5:8], abs=2e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_T11_no_transition_of_any_grid_divides_by_zero(kernel: str) -> None:
    for points in (2, 3, 11, 40):
        for shift in (1.0, 3.0, 7.0):
            sigmas = grid(points, shift)
            steps = [transition(kernel, sigmas, place, 0.7) for place in range(points - 1)]
            assert all(math.isfinite(value) for step in steps for value in coefficients(step))
            if kernel != "ode":
                assert all(step.deviation > 0 for step in steps[:-1])


def test_T07_flow_and_dance_are_one_family() -> None:
    sigmas = grid(16)
    for place in range(15):
        step = transition("flow", sigmas, place, 0.7)
        diffusion = DIFFUSIONS["flow"](sigmas[place], sigmas[1], 0.7)
        assert coefficients(step) == coefficients(transition("dance", sigmas, place, diffusion))
        assert coefficients(step) == coefficients(family(step.sigma, step.sigma_next, diffusion))


@pytest.mark.parametrize("kernel", KERNELS)
def test_T08_without_noise_every_kernel_is_eulers_step(kernel: str) -> None:
    sigmas = grid(11)
    for place in range(10):
        step = transition(kernel, sigmas, place, 0.0)
        assert coefficients(step) == pytest.approx((1.0, sigmas[place + 1] - sigmas[place], 0.0), abs=1e-15)


def test_T09_the_sde_family_keeps_the_marginals_to_first_order() -> None:
    assert final_spread("flow", 400, 0.6, 0.7) == pytest.approx(0.6016, abs=5e-5)
    assert final_spread("dance", 400, 0.6, 0.3) == pytest.approx(0.5982, abs=5e-5)
    errors = [abs(final_spread("dance", count, 0.6, 0.3) - 0.6) for count in (200, 400)]
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("row", SPREADS)
def test_T10_final_spreads_are_those_of_the_table(row: tuple[float, ...]) -> None:
    spread, count, *wanted = row
    kernels = (("ode", 0.0), ("flow", 0.7), ("dance", 0.3), ("cps", 0.8))
    found = [final_spread(kernel, int(count), spread, eta) for kernel, eta in kernels]
    assert found == pytest.approx(wanted, abs=6e-5)


def test_T10_cps_keeps_its_coefficients_and_therefore_not_the_spread() -> None:
    step = preserving(0.6, 0.5, 0.8)
    clean, noise = np.linalg.solve([[1.0, 1.0], [-0.6, 0.4]], [step.of_latent, step.of_velocity])
    assert clean == pytest.approx(0.5)  # 1 - sigma'
    assert noise**2 + step.deviation**2 == pytest.approx(0.25)  # sigma'^2
    assert final_spread("cps", 10, 1.0, 0.8) < final_spread("ode", 10, 1.0, 0.0) - 0.1
    assert final_spread("cps", 400, 0.6, 0.8) < 0.5


def test_T12_the_log_probability_is_the_normal_one_without_constants_and_a_mean_over_numbers() -> None:
    random = torch.Generator().manual_seed(0)
    mean, after, far = (torch.randn(3, 5, 4, dtype=torch.float64, generator=random) for _ in range(3))
    ours = log_prob(after, mean, 0.3) - log_prob(far, mean, 0.3)
    theirs = (Normal(mean, 0.3).log_prob(after) - Normal(mean, 0.3).log_prob(far)).flatten(1).mean(1)
    assert torch.allclose(ours, theirs, atol=1e-12)
    mixed = torch.randperm(5, generator=random)
    assert torch.allclose(log_prob(after[:, mixed], mean[:, mixed], 0.3), log_prob(after, mean, 0.3), atol=1e-14)
    assert torch.equal(log_prob(mean, mean, 0.3), torch.zeros(3, dtype=torch.float64))
    noise = torch.tensor([[1.0, -0.5, 0.25, 2.0]], dtype=torch.float64)
    assert log_prob(0.338446 * noise, 0.0 * noise, 0.338446).item() == pytest.approx(-0.6640625, abs=1e-12)
    assert torch.allclose(log_prob(after, mean, 0.3, "none") / (2 * 0.3**2), log_prob(after, mean, 0.3))


def test_T13_grids_count_points_shift_once_and_cover_the_guided_interval() -> None:
    assert grid(16)[:4] == pytest.approx([1, 0.976744, 0.951220, 0.923077], abs=1e-6)
    assert grid(16)[-3:] == pytest.approx([0.315789, 0.176471, 0], abs=1e-6)
    assert grid(40)[:4] == pytest.approx([1, 0.991304, 0.982301, 0.972973], abs=1e-6)
    assert grid(40)[-3:] == pytest.approx([0.139535, 0.073171, 0], abs=1e-6)
    guided = [sum(Guidance().applies(sigma) for sigma in grid(points)[:-1]) for points in (16, 40, 50)]
    assert guided == [13, 32, 41]


def test_T13_our_grid_is_the_schedulers_with_one_shift() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers.scheduling_flow_match_euler_discrete")
    for transitions, shift in ((10, 3.0), (28, 3.0), (8, 1.0)):
        scheduler = schedulers.FlowMatchEulerDiscreteScheduler(shift=shift)
        scheduler.set_timesteps(sigmas=[float(one) for one in np.linspace(1.0, 1.0 / transitions, transitions)])
        assert len(scheduler.sigmas) == transitions + 1  # it counts transitions, we count points
        assert np.allclose(scheduler.sigmas.numpy(), grid(transitions + 1, shift), atol=1e-6)
