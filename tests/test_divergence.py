"""Divergences from a reference, against closed forms and sampling."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from trainer import divergence
from trainer.sde import log_prob


def test_T14_the_gaussian_divergence_is_that_of_sampling_and_holds_the_step_length() -> None:
    mean = torch.zeros(1, 4, dtype=torch.float64)
    other = tensor([[0.01, 0.01, 0.02, -0.01]], dtype=torch.float64)
    deviation, length = 0.338446, 0.038961
    found = divergence.exact(mean, other, deviation)
    assert found.item() == pytest.approx(7.638889e-4, rel=1e-5)
    old = divergence.legacy(mean, other, deviation, length)
    assert old.item() == pytest.approx(2.976190e-5, rel=1e-4)
    assert (old / found).item() == pytest.approx(length, rel=1e-12)
    far = 40 * other  # far enough for sampling to see it
    drawn = deviation * torch.randn(200_000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sampled = (log_prob(drawn, mean, deviation) - log_prob(drawn, far, deviation)).mean()
    assert divergence.exact(mean, far, deviation).item() == pytest.approx(sampled.item(), rel=0.01)


def test_T14_a_divergence_has_a_gradient_and_is_kept_when_it_is_large() -> None:
    mean = tensor([[100.0, -100.0]], requires_grad=True)
    found = divergence.exact(mean, torch.zeros(1, 2), 0.01)
    assert found.item() == pytest.approx(5e7)
    (slope,) = torch.autograd.grad(found.sum(), mean)
    assert slope[0, 0].item() > 0 > slope[0, 1].item()
    assert divergence.velocity(mean, mean - 2.0).item() == divergence.latent(mean, mean - 2.0).item() == 4.0


def test_T15_k3_has_the_published_values_and_is_never_negative() -> None:
    mask = torch.ones(1, 1)
    for change, wanted in ((0.2, 0.021403), (-0.2, 0.018731), (0.0, 0.0)):
        found = divergence.k3(torch.zeros(1, 1), tensor([[change]]), mask)
        assert found.item() == pytest.approx(wanted, abs=1e-6)
    now = tensor([[-1.0, -2.0]], requires_grad=True)
    equal = divergence.k3(now, now, torch.ones(1, 2))
    (slope,) = torch.autograd.grad(equal.sum(), now)
    assert slope.abs().max().item() == 0.0
    weighted = divergence.k3(torch.zeros(1, 1), tensor([[0.2]]), mask, tensor([3.0]))
    assert weighted.item() == pytest.approx(0.064208, abs=1e-5)


def test_T15_k3_is_unbiased_for_three_tokens() -> None:
    now = tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    reference = tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    exact = (now * (now / reference).log()).sum()
    each = divergence.k3(now.log()[:, None], reference.log()[:, None], torch.ones(3, 1, dtype=torch.float64))
    assert (now * each).sum().item() == pytest.approx(exact.item(), abs=1e-12)
    assert (each >= 0).all()
