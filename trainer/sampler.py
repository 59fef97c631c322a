"""How a rollout draws: the grid, the noise of its window, the guidance; and the drawing itself.

Shapes: B rows, T transitions, W trained transitions, N latent tokens, D numbers in a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.bagel.draw import Contexts
from harness.bagel.guidance import Guidance, guide
from harness.bagel.model import Bagel, Canvas
from harness.bagel.schedule import sigma_grid
from trainer.plan import INITIAL, Group
from trainer.sde import LogProbScale, Transition, log_prob, transition
from trainer.trajectory import Drew
from trainer.window import Window


@dataclass(frozen=True, slots=True)
class Sampler:
    """Noise is added inside the window alone; every other transition is Euler's."""

    transitions: int
    shift: float
    kernel: str
    eta: float
    window: Window
    guidance: Guidance
    scale: LogProbScale = "gaussian"
    same_start: bool = False
    """Whether the members of a group begin from one latent"""

    @property
    def sigmas(self) -> list[float]:
        """The one table of noise levels (T + 1,) that rollout and replay read."""
        return [float(one) for one in sigma_grid(self.transitions + 1, self.shift)]

    def steps(self, places: Sequence[int], sigmas: Sequence[float]) -> list[Transition]:
        """All T transitions of a drawing down a grid whose window is `places`."""
        inside = set(places)
        return [
            transition(self.kernel if place in inside else "ode", sigmas, place, self.eta)
            for place in range(self.transitions)
        ]


def row_velocity(
    bagel: Bagel, contexts: Contexts, latents: Tensor, sigmas: Tensor, canvas: Canvas, guidance: Guidance
) -> Tensor:
    """The velocity (B, N, D) of rows at noise levels (B,) of their own, guided where guidance applies."""
    applies = [guidance.applies(float(sigma)) for sigma in sigmas]
    branches = [contexts.main]
    with_text = any(applies) and contexts.text_free is not None and guidance.text > 1.0
    with_image = any(applies) and contexts.image_free is not None and guidance.image > 1.0
    branches += [contexts.text_free] if with_text and contexts.text_free is not None else []
    branches += [contexts.image_free] if with_image and contexts.image_free is not None else []
    count = len(branches)
    many = latents.repeat(count, 1, 1), sigmas.repeat(count), canvas.repeat(count)
    found = bagel.velocities(branches, *many).float()
    parts = found.chunk(count)
    if count == 1:
        return parts[0]
    guided = guide(parts[0], parts[1] if with_text else None, parts[-1] if with_image else None, guidance)
    if all(applies):
        return guided
    return torch.where(torch.tensor(applies, device=latents.device)[:, None, None], guided, parts[0])


@dataclass(frozen=True, slots=True)
class Row:
    """Whose drawing a row is; `offset` keeps the noise of later rounds apart."""

    group: Group
    member: int
    offset: int = 0

    def noise(self, place: int, shape: tuple[int, int], same_start: bool = False) -> Tensor:
        """Standard normal numbers for one transition, from a generator of its own."""
        number = place if place == INITIAL and not self.offset else place + self.offset
        seed = self.group.noise_seed(self.member, number, same_start)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw_window(
    bagel: Bagel, contexts: Contexts, sampler: Sampler, rows: Sequence[Row], grid: tuple[int, int]
) -> list[Drew]:
    """One drawing a row, all together; the transitions of each row's window are kept."""
    canvas = Canvas.of([grid] * len(rows), bagel.config.max_latent_size, bagel.device)
    shape = (grid[0] * grid[1], bagel.config.token_width)
    initial = torch.stack([row.noise(INITIAL, shape, sampler.same_start) for row in rows]).to(bagel.device)

    def velocity(latents: Tensor, levels: Tensor) -> Tensor:
        return row_velocity(bagel, contexts, latents, levels, canvas, sampler.guidance)

    return draw_rows(velocity, sampler, sampler.sigmas, rows, initial, grid)


Velocity = Callable[[Tensor, Tensor], Tensor]
"""The velocity (B, N, D) in float32 of latents (B, N, D) at noise levels (B,)."""


def draw_rows(
    velocity: Velocity,
    sampler: Sampler,
    sigmas: Sequence[float],
    rows: Sequence[Row],
    initial: Tensor,
    grid: tuple[int, int],
) -> list[Drew]:
    """One drawing a row from initial latents (B, N, D) down one grid, whatever network gives the velocity."""
    places = [sampler.window.choose(row.group) for row in rows]
    steps = [sampler.steps(one, sigmas) for one in places]
    latents, shape = initial, (initial.shape[1], initial.shape[2])
    kept: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in rows]
    for place, sigma in enumerate(sigmas[:-1]):
        found = velocity(latents, torch.full((len(rows),), sigma, device=latents.device))
        here = [one[place] for one in steps]
        mean = _column([one.of_latent for one in here], latents) * latents
        mean = mean + _column([one.of_velocity for one in here], latents) * found
        after = mean
        noisy = [row for row, one in enumerate(here) if one.deviation > 0.0]
        if noisy:
            noise = torch.zeros(latents.shape)
            for row in noisy:
                noise[row] = rows[row].noise(place, shape)
            after = mean + _column([one.deviation for one in here], latents) * noise.to(latents.device)
            for row in noisy:
                kept[row].append((latents[row].cpu(), mean[row].cpu(), after[row].cpu()))
        latents = after
    final = latents.cpu()
    return [
        _drew(sampler, places[row], steps[row], kept[row], final[row].clone(), grid) for row in range(len(rows))
    ]  # fmt: skip


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None]


def _drew(
    sampler: Sampler,
    places: tuple[int, ...],
    steps: Sequence[Transition],
    kept: Sequence[tuple[Tensor, Tensor, Tensor]],
    final: Tensor,
    grid: tuple[int, int],
) -> Drew:
    chosen = tuple(steps[place] for place in places)
    if not kept:  # no noise anywhere: nothing has a probability
        nothing = final.new_zeros(0, *final.shape)
        return Drew(places, chosen, nothing, nothing, nothing, final.new_zeros(0), final, grid, sampler.guidance)
    before, mean, after = (torch.stack(parts) for parts in zip(*kept, strict=True))
    deviation = torch.tensor([one.deviation for one in chosen])
    found = log_prob(after, mean, deviation, sampler.scale)
    return Drew(places, chosen, before, mean, after, found, final, grid, sampler.guidance)
