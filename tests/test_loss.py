"""Losses and their gradients, with the numbers of method.md 8.6."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, tensor

from trainer import loss


def gradient(value: Tensor, of: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value, of)
    return found


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("kind", ["image", "aligned", "sequence", "token"])
def test_T01_gradient_at_ratio_one_pairs_each_sample_with_its_own_advantage(count: int, kind: str) -> None:
    advantages = tensor([2.0, -1.0, -0.5, -0.5], dtype=torch.float64)[:count]
    old = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    now = old.clone().requires_grad_()
    if kind in ("image", "aligned"):
        ratios = loss.ratio(now, old) if kind == "image" else loss.aligned_ratio(now)
        terms = loss.clipped(ratios, loss.of_sample(advantages, ratios), 0.2, 0.2)
        assert terms.shape == (count, 3)
        found = gradient(terms.sum() / count, now)
        assert torch.allclose(found, (-advantages / count)[:, None].expand(count, 3), atol=1e-14)
        return
    lengths = [3, 1, 2, 3][:count]
    mask = tensor([[1.0] * length + [0.0] * (3 - length) for length in lengths], dtype=torch.float64)
    ratios = loss.text_ratio(now, old, mask, kind)
    terms = loss.text_loss(ratios, advantages, mask, 0.2, 0.28)
    assert terms.shape == (count,)
    # each token carries its sample's advantage over the text's length
    wanted = -advantages[:, None] / count * mask / mask.sum(1, keepdim=True)
    assert torch.allclose(gradient(terms.mean(), now), wanted, atol=1e-14)


def test_T01_text_pairing_gives_the_published_numbers_and_the_batch_product_would_not() -> None:
    advantages, ratios = tensor([2.0, -1.0, -0.5, -0.5]), torch.ones(4, requires_grad=True)
    mask = torch.ones(4, 2)
    assert gradient(loss.text_loss(ratios, advantages, mask, 0.2, 0.28).mean(), ratios).tolist() == [
        -0.5, 0.25, 0.125, 0.125,
    ]  # fmt: skip
    defect = -torch.minimum(ratios * advantages[:, None], ratios.clamp(0.8, 1.28) * advantages[:, None]).mean()
    assert gradient(defect, ratios).tolist() == [0.0, 0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="one shape"):
        loss.clipped(ratios, advantages[:, None], 0.2, 0.2)
    with pytest.raises(ValueError, match="do not belong"):
        loss.of_sample(advantages[:, None], ratios)


@pytest.mark.parametrize(
    ("advantage", "rho", "value"), [(1.0, 1.3, -1.2), (1.0, 0.7, -0.7), (-1.0, 1.3, 1.3), (-1.0, 0.7, 0.8)]
)
def test_T02_ppo_values_and_the_side_on_which_the_gradient_stops(advantage: float, rho: float, value: float) -> None:
    ratios = tensor([rho], requires_grad=True)
    found = loss.clipped(ratios, tensor([advantage]), 0.2, 0.2)
    assert found.item() == pytest.approx(value)
    outside = (advantage > 0 and rho > 1) or (advantage < 0 and rho < 1)
    assert gradient(found.sum(), ratios).item() == (0.0 if outside else -advantage)


def test_T02_asymmetric_limits_differ_above_and_below() -> None:
    ratios = tensor([1.25, 1.29, 0.81, 0.79], requires_grad=True)
    advantages = tensor([1.0, 1.0, -1.0, -1.0])
    slopes = gradient(loss.clipped(ratios, advantages, 0.2, 0.28).sum(), ratios)
    assert slopes.tolist() == [-1.0, 0.0, 1.0, 0.0]


def test_T03_loss_and_gradient_do_not_depend_on_order_or_micro_batches() -> None:
    random = torch.Generator().manual_seed(1)
    weight = torch.randn(5, dtype=torch.float64, generator=random, requires_grad=True)
    inputs = torch.randn(6, 4, 5, dtype=torch.float64, generator=random)
    mask = tensor([[1.0] * length + [0.0] * (4 - length) for length in (4, 2, 3, 1, 4, 2)], dtype=torch.float64)
    advantages = torch.randn(6, dtype=torch.float64, generator=random)

    def whole(rows: list[int]) -> Tensor:
        log_probs = inputs[rows] @ weight
        old = log_probs.detach() - 0.05
        ratios = loss.text_ratio(log_probs, old, mask[rows], "token")
        text = loss.text_loss(ratios, advantages[rows], mask[rows], 0.2, 0.28)
        image = loss.clipped(
            loss.ratio(log_probs, old), loss.of_sample(advantages[rows], log_probs), 1.0, 1.0
        )  # fmt: skip
        return loss.balance(text, image, 2.0).sum() / 6

    straight = gradient(whole([0, 1, 2, 3, 4, 5]), weight)
    mixed = gradient(whole([3, 0, 5, 4, 2, 1]), weight)
    split = sum((gradient(whole(part), weight) for part in ([0], [1, 2, 3], [4, 5])), torch.zeros(5))
    assert torch.allclose(straight, mixed, atol=1e-14)
    assert torch.allclose(straight, split, atol=1e-14)


def test_sequence_ratios_and_losses_are_those_of_the_vectors() -> None:
    change = tensor([[0.1, -0.2, 0.4], [-0.3, -0.1, 0.0]], dtype=torch.float64)
    mask = tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
    advantages = tensor([1.0, -1.0], dtype=torch.float64)
    ratios = loss.text_ratio(change, torch.zeros_like(change), mask, "sequence")
    assert ratios.tolist() == pytest.approx([1.105171, 0.818731], abs=1e-6)
    assert loss.text_loss(ratios, advantages, mask, 0.2, 0.28).mean().item() == pytest.approx(-0.143220, abs=1e-6)
    far = tensor([[0.3, 0.4], [-0.3, -0.4]], dtype=torch.float64)
    ratios = loss.text_ratio(far, torch.zeros_like(far), torch.ones_like(far), "sequence")
    assert ratios.tolist() == pytest.approx([1.419068, 0.704688], abs=1e-6)
    assert loss.text_loss(ratios, advantages, torch.ones_like(far), 0.2, 0.28).mean().item() == pytest.approx(-0.24)


def test_entropy_mask_keeps_the_most_uncertain_tokens_of_each_text() -> None:
    entropies = tensor([[0.1, 0.9, 0.5], [0.8, 0.2, 7.0]])
    mask = tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert loss.entropy_mask(entropies, mask, 0.4).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert loss.entropy_mask(entropies, mask, 1.0) is mask


def test_rollout_weights_are_cut_off_and_carry_no_gradient() -> None:
    now = tensor([[1.0, 1.0], [0.1, 0.1]], requires_grad=True)
    weights = loss.rollout_weights(now, torch.zeros(2, 2), torch.ones(2, 2))
    assert weights.tolist() == pytest.approx([2.0, 1.105171])
    assert not weights.requires_grad


def test_balance_divides_by_the_window_and_one_for_the_text() -> None:
    image, text = tensor([[1.0, 2.0], [3.0, 5.0]]), tensor([10.0, 20.0])
    assert loss.balance(None, image, 1.0).tolist() == [1.5, 4.0]
    assert loss.balance(text, image, 0.5).tolist() == pytest.approx([8 / 3, 6.0])


def test_T16_guard_log_ratio_is_the_mean_of_the_change_times_the_noise() -> None:
    noise = tensor([[1.0, -0.5, 0.25, 2.0]], dtype=torch.float64)
    change = tensor([[0.01, 0.01, 0.02, -0.01]], dtype=torch.float64)
    deviation = 0.338446
    old = -noise.square().mean(1)[:, None] / 2
    now = -(noise - change / deviation).square().mean(1)[:, None] / 2
    square = change.square().mean(1)[:, None]
    assert (now - old).item() == pytest.approx(-0.00815060, abs=1e-7)
    assert (square / (2 * deviation**2)).item() == pytest.approx(0.00076389, abs=1e-8)
    found = loss.guard_log_ratio(now, old, square, torch.full_like(now, deviation))
    assert found.item() == pytest.approx((change * noise).mean().item(), abs=1e-12)
    assert found.item() == pytest.approx(-0.0025, abs=1e-12)


@pytest.mark.parametrize("deviation", [0.7, 0.05])
def test_T16_guard_has_zero_mean_and_the_same_spread_at_every_noise_level(deviation: float) -> None:
    rows, size, step = 4000, 256, 0.005
    noise = torch.randn(rows, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    old = -noise.square().mean(1) / 2
    now = -(noise - step).square().mean(1) / 2
    square = torch.full_like(now, (step * deviation) ** 2)
    guarded = loss.guard_log_ratio(now, old, square, torch.full_like(now, deviation))
    assert abs(guarded.mean().item()) < 4 * guarded.std().item() / rows**0.5
    assert (now - old).mean().item() == pytest.approx(-1.25e-5, abs=4 * (now - old).std().item() / rows**0.5)
    # the change of mu is step * sd, so the spread per unit of change is the same for every sd
    assert guarded.std().item() / (step * deviation) == pytest.approx(size**-0.5, rel=0.05)


@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize("rho", [1.1, 0.9])
@pytest.mark.parametrize("drift", [2e-5, 5e-6])
def test_T17_the_proximal_mask_drops_terms_that_push_outward_beyond_the_limit(
    advantage: float, rho: float, drift: float
) -> None:
    found = loss.proximal(tensor([rho]), tensor([advantage]), tensor([drift]), 1e-5).item()
    outward = advantage * (rho - 1) > 0
    assert found == (0.0 if outward and drift >= 1e-5 else pytest.approx(-advantage * rho))


def test_tempflow_weighs_a_transition_by_its_noise_and_keeps_the_mean() -> None:
    weights = loss.tempflow_weights(tensor([[2.0, 1.0]]), tensor([[0.01, 0.04]]))
    assert weights.tolist() == [[1.0, 1.0]]
    assert loss.tempflow_weights(tensor([[3.0, 1.0]]), tensor([[0.01, 0.01]])).tolist() == [[1.5, 0.5]]
