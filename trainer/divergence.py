"""How far the policy has moved from its reference, with gradient, never cut off when large (method.md 6.4).

Shapes: B samples, L tokens of a text, then a latent's own axes.
"""

from __future__ import annotations

from torch import Tensor

from trainer.forward_loss import distance
from trainer.loss import masked_mean


def exact(mean: Tensor, reference: Tensor, deviation: float | Tensor) -> Tensor:
    """KL (B,) per element of two Gaussians of one deviation: mean_d (mu - mu_ref)^2 / (2 sd^2)."""
    return distance(mean, reference) / (2.0 * deviation**2)


def legacy(mean: Tensor, reference: Tensor, deviation: float | Tensor, length: float | Tensor) -> Tensor:
    """Flow-GRPO's form (B,), divided by 2 s^2 and not by 2 s^2 |dt|: too small by |dt|. `length` is |dt|."""
    return exact(mean, reference, deviation) * length


def velocity(now: Tensor, reference: Tensor) -> Tensor:
    """mean_d (v - v_ref)^2 (B,), unweighted."""
    return distance(now, reference)


def latent(mean: Tensor, reference: Tensor) -> Tensor:
    """mean_d (mu - mu_ref)^2 (B,), unweighted."""
    return distance(mean, reference)


def k3(log_probs: Tensor, reference: Tensor, mask: Tensor, ratios: Tensor | None = None) -> Tensor:
    """exp(d) - d - 1 with d = lp_ref - lp, the mean over each text's tokens, (B,); times sg(rho) (B,) off-policy."""
    change = reference.detach() - log_probs
    value = masked_mean(change.exp() - change - 1.0, mask)
    return value if ratios is None else value * ratios.detach()


DIVERGENCES = ("exact", "legacy", "velocity", "latent")
"""What `beta` can weigh for images."""
