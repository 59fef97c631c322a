"""Policy-gradient losses. Every ratio meets the advantage of its own sample; nothing is averaged over samples here.

Shapes: B samples, W trained transitions, L tokens of a text. A loss is (B,) or (B, W), never (B, B).
"""

from __future__ import annotations

import torch
from torch import Tensor


def _same(*tensors: Tensor) -> None:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(set(shapes)) != 1:
        raise ValueError(f"a ratio, its advantage and its mask must have one shape, not {shapes}")


def of_sample(advantages: Tensor, like: Tensor) -> Tensor:
    """Advantages (B,) beside each term (B, W) of their own sample."""
    if advantages.shape != like.shape[:1]:
        raise ValueError(f"{tuple(advantages.shape)} advantages do not belong to terms of shape {tuple(like.shape)}")
    return advantages.reshape(-1, *[1] * (like.ndim - 1)).expand_as(like)


def ratio(log_probs: Tensor, old: Tensor) -> Tensor:
    """rho = exp(l - l_old), of one shape."""
    _same(log_probs, old)
    return (log_probs - old.detach()).exp()


def aligned_ratio(log_probs: Tensor) -> Tensor:
    """rho = exp(l - sg(l)): 1 in value, with the gradient of l. Right while the policy is the one that drew."""
    return (log_probs - log_probs.detach()).exp()


def clipped(ratios: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    """max(-A rho, -A clip(rho, 1 - low, 1 + high)) (PPO, arXiv 1707.06347, eq. 7), of the ratios' shape."""
    _same(ratios, advantages)
    return torch.maximum(-advantages * ratios, -advantages * ratios.clamp(1.0 - low, 1.0 + high))


def guard_log_ratio(log_probs: Tensor, old: Tensor, mean_change: Tensor, deviation: Tensor) -> Tensor:
    """GRPO-Guard (arXiv 2510.22319): (l - l_old + b) sd = mean_d(delta mu e), of zero mean at every noise level.

    `mean_change` is mean_d of the squared change of mu, (B, W) like the log-probabilities; `deviation` is sd.
    """
    _same(log_probs, old, mean_change, deviation)
    return (log_probs - old.detach() + mean_change / (2.0 * deviation**2)) * deviation


def proximal(ratios: Tensor, advantages: Tensor, drift: Tensor, limit: float) -> Tensor:
    """Flow-DPPO: -A rho, and nothing for a term whose drift b has reached the limit while its update pushes outward."""
    _same(ratios, advantages, drift)
    outward = ((advantages > 0) & (ratios > 1)) | ((advantages < 0) & (ratios < 1))
    return torch.where(outward & (drift >= limit), torch.zeros_like(ratios), -advantages * ratios)


def tempflow_weights(diffusions: Tensor, lengths: Tensor) -> Tensor:
    """TempFlow-GRPO (arXiv 2508.04324): s sqrt(|dt|) of each transition of a window, with mean 1 over its last axis."""
    weights = diffusions * lengths.sqrt()
    return weights / weights.mean(-1, keepdim=True)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens (B, L) of each sample that count, (B,); 0 for a sample without any."""
    _same(values, mask)
    return (values * mask).sum(1) / mask.sum(1).clamp(min=1)


def text_ratio(log_probs: Tensor, old: Tensor, mask: Tensor, level: str) -> Tensor:
    """rho (B,) of whole texts (`sequence`: GSPO, arXiv 2507.18071) or (B, L) of tokens (`token`)."""
    _same(log_probs, old, mask)
    change = (log_probs - old.detach()) * mask
    return masked_mean(change, mask).exp() if level == "sequence" else change.exp()


def text_loss(ratios: Tensor, advantages: Tensor, mask: Tensor, low: float, high: float) -> Tensor:
    """Loss (B,) of texts: the clipped objective of each text, or the mean over each text's own tokens."""
    terms = clipped(ratios, of_sample(advantages, ratios), low, high)
    return terms if terms.ndim == 1 else masked_mean(terms, mask)


def entropy_mask(entropies: Tensor, mask: Tensor, share: float) -> Tensor:
    """The mask narrowed to the `share` of the batch's tokens with the highest entropy (arXiv 2506.01939)."""
    _same(entropies, mask)
    kept = entropies[mask > 0]
    if share >= 1.0 or not len(kept):
        return mask
    limit = torch.quantile(kept.float(), 1.0 - share)
    return mask * (entropies >= limit).to(mask.dtype)


def rollout_weights(log_probs: Tensor, old: Tensor, mask: Tensor, most: float = 2.0) -> Tensor:
    """Truncated importance weights (B,) of texts, without gradient: min(exp(mean(lp - lp_old)), most)."""
    return text_ratio(log_probs, old, mask, "sequence").detach().clamp(max=most)


def balance(text: Tensor | None, image: Tensor, weight: float) -> Tensor:
    """Loss (B,) of trajectories: (w_text L_text + sum_j L_img,j) / (W + 1), or / W where no text was written."""
    window = image.shape[1]
    if text is None:
        return image.sum(1) / window
    _same(text, image[:, 0])
    return (weight * text + image.sum(1)) / (window + 1)
