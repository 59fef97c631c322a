"""Guidance: how the velocities of several contexts become one.

Shapes: B rows, N latent tokens, W channels of a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.linalg import vector_norm

Renorm = Literal["global", "channel", "text_channel", "none"]
RENORMS: tuple[Renorm, ...] = ("global", "channel", "text_channel", "none")


@dataclass(frozen=True, slots=True)
class Guidance:
    """Scales of text and image guidance, the noise levels (low, high] they apply to, and the rescaling after them."""

    text: float = 4.0
    image: float = 1.0
    low: float = 0.4
    high: float = 1.0
    renorm: Renorm = "global"
    renorm_min: float = 0.0

    def __post_init__(self) -> None:
        if self.renorm not in RENORMS:
            raise ValueError(f"no renorm named {self.renorm!r}; the choices are: {', '.join(RENORMS)}")

    def applies(self, sigma: float) -> bool:
        """Whether any guidance is applied at this noise level."""
        return (self.text > 1.0 or self.image > 1.0) and self.low < sigma <= self.high


def guide(main: Tensor, text_free: Tensor | None, image_free: Tensor | None, guidance: Guidance) -> Tensor:
    """One velocity (B, N, W) from those with everything, without text, without image; None stands for a scale of 1.

    method.md 5.5; the rules are those of ByteDance-Seed/Bagel, with norms taken for each row and not over the batch.
    """
    away = main if text_free is None else text_free + guidance.text * (main - text_free)
    if guidance.renorm == "text_channel":
        away = away * _shrink(main, away, guidance.renorm_min, (-1,))
    if image_free is not None and guidance.image > 1.0:
        away = image_free + guidance.image * (away - image_free)
    if guidance.renorm == "global":
        return away * _shrink(main, away, guidance.renorm_min, (-2, -1))
    if guidance.renorm == "channel":
        return away * _shrink(main, away, guidance.renorm_min, (-1,))
    return away


def _shrink(main: Tensor, away: Tensor, least: float, dimensions: tuple[int, ...]) -> Tensor:
    wanted, found = (vector_norm(one, dim=dimensions, keepdim=True) for one in (main, away))
    factor: Tensor = wanted / (found + 1e-8)
    return factor.clamp(min=least, max=1.0)
