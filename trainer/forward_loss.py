"""Losses that noise the final latent again and need no stochastic rollout: DiffusionNFT and AWM (method.md 6.2).

Shapes: B samples, then the latent's own axes. Velocities point from data to noise; `time` (B,) is the noise level.
The same noise and time serve the current, the old, the reference and the average model.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from trainer.loss import clipped, ratio

A_MAX = 5.0
SMALLEST_ERROR = 1e-5


def noised(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """x_t = (1 - t) x0 + t eps."""
    level = _wide(time, clean)
    return (1.0 - level) * clean + level * noise


def mean_square(values: Tensor) -> Tensor:
    """mean_d of the squares, (B,)."""
    return values.square().flatten(1).mean(1)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """mean_d (one - other)^2, (B,): the penalty for leaving a reference or an average, which carries no gradient."""
    return mean_square(one - other.detach())


def _wide(time: Tensor, like: Tensor) -> Tensor:
    return time.reshape(-1, *[1] * (like.ndim - 1))


def share_of_good(advantages: Tensor, most: float = A_MAX) -> Tensor:
    """w = clip(A / A_max, -1, 1) / 2 + 1/2."""
    return (advantages / most).clamp(-1.0, 1.0) / 2.0 + 0.5


def nft(
    velocity: Tensor,
    old: Tensor,
    noisy: Tensor,
    clean: Tensor,
    time: Tensor,
    advantages: Tensor,
    strength: float = 1.0,
    adaptive: bool = True,
    most: float = A_MAX,
) -> Tensor:
    """DiffusionNFT's loss (B,) (arXiv 2509.16117, eq. 5): good samples pull v+, bad ones pull its mirror image v-.

    `strength` is beta_nft; `adaptive` divides each error by its own size, taken in float64 and without gradient.
    """
    anchor, weight = old.detach(), share_of_good(advantages, most)
    level = _wide(time, noisy)
    errors = []
    for mixed in (strength * velocity + (1.0 - strength) * anchor, (1.0 + strength) * anchor - strength * velocity):
        off = noisy - level * mixed - clean
        error = mean_square(off)
        if adaptive:
            size = off.detach().double().abs().flatten(1).mean(1).clamp(min=SMALLEST_ERROR)
            error = error / size.to(error.dtype)
        errors.append(error)
    return most * (weight * errors[0] + (1.0 - weight) * errors[1]) / strength


def nft_velocity(
    velocity: Tensor,
    old: Tensor,
    target: Tensor,
    time: Tensor,
    advantages: Tensor,
    strength: float = 1.0,
    most: float = A_MAX,
) -> Tensor:
    """AlphaGRPO's variant (B,): errors e = v(+-) - u, each t mean_d(e^2 / n) with n = mean_d |e| of the sample."""
    anchor, weight = old.detach(), share_of_good(advantages, most)
    errors = []
    for mixed in (strength * velocity + (1.0 - strength) * anchor, (1.0 + strength) * anchor - strength * velocity):
        off = mixed - target
        size = off.detach().double().abs().flatten(1).mean(1).clamp(min=SMALLEST_ERROR)
        errors.append(time * mean_square(off) / size.to(off.dtype))
    return most * (weight * errors[0] + (1.0 - weight) * errors[1]) / strength


def _ghuber(match: Tensor, time: Tensor, power: float) -> Tensor:
    weighted: Tensor = time * ((match + 1e-10) ** power - 1e-10**power) / power
    return weighted


def _huber(match: Tensor, time: Tensor, power: float) -> Tensor:  # noqa: ARG001 - one signature for all weights
    return time * ((match + 1e-10).sqrt() - 1e-5)


WEIGHTS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "uniform": lambda match, _time, _power: match,
    "t": lambda match, time, _power: time * match,
    "t2": lambda match, time, _power: time**2 * match,
    "huber": _huber,
    "ghuber": _ghuber,
}
"""How AWM weighs the matching error of a noise level."""


def evidence(velocity: Tensor, target: Tensor, time: Tensor, weight: str = "ghuber", power: float = 0.25) -> Tensor:
    """AWM's log-likelihood (B,): -weight(mean_d (v - u)^2, t)."""
    weighted: Tensor = WEIGHTS[weight](mean_square(velocity - target), time, power)
    return -weighted


def awm(now: Tensor, old: Tensor, advantages: Tensor, limit: float = 1.0, most: float = A_MAX) -> Tensor:
    """Advantage-weighted matching (B,) (arXiv 2509.25050): the clipped objective on exp(l - l_old), A in +-1."""
    return clipped(ratio(now, old), (advantages / most).clamp(-1.0, 1.0), limit, limit)


def slow_decay(update: int, kind: str) -> float:
    """d of `old <- d old + (1 - d) current` before update number `update`.

    `nft` min(.001 n, .5), `nft_late` 0 up to 75 and then min(.0075 (n - 75), .999), `awm` min(.001 n, .3).
    """
    if kind == "nft_late":
        return 0.0 if update <= 75 else min(0.0075 * (update - 75), 0.999)
    return min(0.001 * update, 0.3 if kind == "awm" else 0.5)


def average_decay(update: int, most: float) -> float:
    """Decay of an exponential moving average, warmed up: min((1 + n) / (10 + n), most)."""
    return min((1.0 + update) / (10.0 + update), most)
