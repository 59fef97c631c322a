"""Stochastic transitions of a flow: x' = cx x + cv v + sd e with e ~ N(0, I) (method.md section 5).

Flow-SDE is Flow-GRPO's (arXiv 2505.05470, eq. 9), Dance-SDE DanceGRPO's (arXiv 2505.07818), CPS that of
Coefficients-Preserving Sampling (arXiv 2509.05952).
Shapes: B rows, D numbers of a row, any further shape between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Kernel = Literal["ode", "flow", "dance", "cps", "monotonic", "flash"]
LogProbScale = Literal["gaussian", "none"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of the grid: its noise levels, and the coefficients of data, velocity and noise."""

    sigma: float
    sigma_next: float
    of_latent: float
    of_velocity: float
    deviation: float

    @property
    def length(self) -> float:
        """|dt|"""
        return self.sigma - self.sigma_next

    def mean(self, latents: Tensor, velocity: Tensor) -> Tensor:
        """mu, of the latents' shape."""
        return self.of_latent * latents + self.of_velocity * velocity


def family(sigma: float, sigma_next: float, diffusion: float) -> Transition:
    """The SDE with the ODE's marginals and diffusion s: mu = x + v dt - s^2 score dt / 2, score = -x1_hat / sigma."""
    step = sigma_next - sigma
    half = diffusion**2 * step / (2.0 * sigma)
    return Transition(
        sigma, sigma_next, 1.0 + half, step + half * (1.0 - sigma), diffusion * math.sqrt(-step)
    )  # fmt: skip


def preserving(sigma: float, sigma_next: float, eta: float) -> Transition:
    """CPS: the shares of predicted data and of noise stay those of the grid, for any step length."""
    deviation = sigma_next * math.sin(eta * math.pi / 2.0)
    kept = sigma_next * math.cos(eta * math.pi / 2.0)  # sqrt(sigma'^2 - sd^2)
    clean = 1.0 - sigma_next
    return Transition(sigma, sigma_next, clean + kept, kept * (1.0 - sigma) - clean * sigma, deviation)


def diffusion_flow(sigma: float, first_next: float, eta: float) -> float:
    """s = eta sqrt(sigma / (1 - sigma)); at sigma = 1 the next level stands in the denominator alone."""
    return eta * math.sqrt(sigma / (1.0 - (first_next if sigma >= 1.0 else sigma)))


def diffusion_dance(sigma: float, first_next: float, eta: float) -> float:  # noqa: ARG001 - one signature for the family
    """s = eta."""
    return eta


def diffusion_monotonic(sigma: float, first_next: float, eta: float) -> float:  # noqa: ARG001 - as above
    """s = eta sqrt(sigma / (1 - min(sigma, .95)))."""
    return eta * math.sqrt(sigma / (1.0 - min(sigma, 0.95)))


def diffusion_flash(sigma: float, first_next: float, eta: float) -> float:  # noqa: ARG001 - as above
    """s = eta sigma, Flash's line between the grid's ends 0 and 1."""
    return eta * sigma


DIFFUSIONS: dict[str, Callable[[float, float, float], float]] = {
    "flow": diffusion_flow,
    "dance": diffusion_dance,
    "monotonic": diffusion_monotonic,
    "flash": diffusion_flash,
}
"""Members of the SDE family by name."""
KERNELS = ("ode", *DIFFUSIONS, "cps")


def transition(kernel: str, sigmas: Sequence[float], place: int, eta: float) -> Transition:
    """The coefficients of transition number `place` of a grid; eta = 0 or the kernel `ode` gives Euler's step."""
    sigma, sigma_next = sigmas[place], sigmas[place + 1]
    if kernel == "ode":
        return Transition(sigma, sigma_next, 1.0, sigma_next - sigma, 0.0)
    if kernel == "cps":
        return preserving(sigma, sigma_next, eta)
    return family(sigma, sigma_next, DIFFUSIONS[kernel](sigma, sigmas[1], eta))


def log_prob(after: Tensor, mean: Tensor, deviation: float | Tensor, scale: LogProbScale = "gaussian") -> Tensor:
    """l (B,) of x' under N(mu, sd^2), the mean over all but the first dimension, without the constants that cancel.

    `deviation` is a number or (B,). `none` leaves out the 1 / (2 sd^2), which weighs steps by 2 sd^2.
    """
    squares = (after - mean).square().flatten(1).mean(1)
    return -squares if scale == "none" else -squares / (2.0 * deviation**2)
