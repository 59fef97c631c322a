"""The unified model as a policy: it writes and draws in groups, and reads its trajectories again.

Rows are worked on in chunks of one fixed shape, as in evaluation, so that a trajectory does not depend on how a group
is split (method.md T27).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from harness.bagel.draw import Contexts, draw
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.unified import Unified
from harness.bagel.walk import Walk, drew_image, wrote_words
from harness.bagel.write import Sampling, write
from harness.model import Model
from tasks.sample import Draft, Failure, Generation, Request, Response
from trainer.adapter import Expert, Low, attach, disabled, expert_of, swapped
from trainer.plan import INITIAL
from trainer.replay import Replayed, read_given, read_texts, replay_walk, velocities
from trainer.sampler import Row, Sampler, draw_window
from trainer.script import Script
from trainer.shards import snapshot
from trainer.trajectory import Drew, Given, Situation, Step, Trajectory, Wrote, shared_rows

ROUND = 100_000
"""What is added to a transition's number in each further round, so that its noise is new."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a policy acts while it is trained."""

    sampler: Sampler
    sampling: Sampling
    rounds: int = 1
    """Refinements in one trajectory"""
    rows: int = 40
    """Trajectories worked on together, a chunk of fixed shape"""


class UnifiedPolicy:
    """A policy over a Bagel whose parameters it trains."""

    def __init__(
        self, unified: Unified, script: Script, rollout: Rollout, low: Low | None, seed: int = 0, half: bool = False
    ) -> None:
        self.unified, self.script, self.rollout, self.low = unified, script, rollout, low
        self.half = half
        self.id, self.record = unified.id, unified.record
        self.sampler = rollout.sampler
        self.version = 0
        experts: tuple[Expert, ...] = ("generation", "understanding") if script.think else ("generation",)
        self.trained = attach(unified.bagel, experts, low, seed)
        kinds = expert_of(unified.bagel)
        self.kinds: Mapping[str, Expert] = {name: kinds[name] for name in self.trained}
        self.base: Mapping[str, Tensor] | None = None if low is not None else snapshot(self.trained)

    @property
    def bagel(self) -> Bagel:
        """The network."""
        return self.unified.bagel

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.bagel.device

    @property
    def thinks(self) -> bool:
        """Whether a text is written and trained before each drawing."""
        return self.script.think

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of latent tokens of what it draws."""
        size, cell = self.unified.drawing, self.bagel.config.downsample
        return size.height // cell, size.width // cell

    def computing(self) -> AbstractContextManager[None]:
        """The arithmetic of forwards, the same in rollout and replay: bfloat16 where it was asked for."""
        return torch.autocast(self.bagel.device.type, torch.bfloat16, enabled=self.half)

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""
        return self.trained

    def reference(self) -> AbstractContextManager[None]:
        """While open, the policy is the one that training began with."""
        return disabled(self.bagel) if self.base is None else swapped(self.trained, self.base)

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        """As in evaluation."""
        return self.unified.generate(requests, seeds)

    def as_model(self, updates: int) -> Model:
        """The policy as it is now, under a name of its own."""
        name = f"{self.unified.id}+{updates}"
        model: Model = replace(self.unified, id=name, record={**self.unified.record, "updates": updates})
        return model

    @torch.no_grad()
    def explore(self, rows: Sequence[tuple[Situation, int]]) -> list[Trajectory]:
        """One trajectory a (situation, member), in order."""
        found: dict[int, Trajectory] = {}
        openings = [self.script.opening(situation) for situation, _ in rows]
        for chunk in chunks([tuple(one.view is None for one in opening) for opening in openings], self.rollout.rows):
            whole = [*chunk, *[chunk[-1]] * (self.rollout.rows - len(chunk))]
            with self.computing():
                done = self.explore_chunk([rows[one] for one in whole], [openings[one] for one in whole])
            found.update(zip(chunk, done, strict=False))
        return [found[place] for place in range(len(rows))]

    def explore_chunk(self, rows: Sequence[tuple[Situation, int]], openings: Sequence[list[Given]]) -> list[Trajectory]:
        """The trajectories of rows that are told texts and pictures in the same order."""
        shared = shared_rows([situation.group for situation, _ in rows])
        walk, steps = Walk.begin(len(rows) // shared, self.bagel.device), [list[Step](one) for one in openings]
        pictures: list[list[Image.Image]] = [[] for _ in rows]
        given: list[Sequence[Step]] = list(zip(*openings, strict=True))
        for number in range(self.rollout.rounds):
            for column in given:
                walk = read_given(self.bagel, walk, column[:: len(rows) // walk.main.rows])
            if self.script.think:
                walk = self.write_column(walk, rows, steps)
            last = number + 1 == self.rollout.rounds
            walk, drawn = self.draw_column(walk, rows, steps, number, last)
            for own, picture in zip(pictures, drawn, strict=True):
                own.append(picture)
            if not last:
                asked = [self.script.again(drawn[row], rows[row][0].request.prompt)[1:] for row in range(len(rows))]
                given = list(zip(*asked, strict=True))
                for own_steps, more in zip(steps, asked, strict=True):
                    own_steps += more
        return [
            self.trajectory(rows[row], steps[row], pictures[row]) for row in range(len(rows))
        ]  # fmt: skip

    def write_column(self, walk: Walk, rows: Sequence[tuple[Situation, int]], steps: Sequence[list[Step]]) -> Walk:
        """Every row writes a text; the walk after it."""
        sampling = self.rollout.sampling
        seeds = [
            situation.group.text_seed(member, len(own)) for (situation, member), own in zip(rows, steps, strict=True)
        ]
        written = write(self.bagel, walk.main, sampling, seeds)
        wrote = [Wrote(one.ids, one.log_probs, one.forced, sampling) for one in written]
        walk, hidden, _ = wrote_words(self.bagel, walk, [one.ids for one in written], private=True, last=False)
        if (
            sampling.top_p < 1.0
        ):  # writing tells the probabilities among all words: here among those that could be drawn
            found = read_texts(self.bagel, wrote, hidden).log_probs.tolist()
            wrote = [
                replace(one, log_probs=tuple(row[: len(one.log_probs)])) for one, row in zip(wrote, found, strict=True)
            ]
        for own, text in zip(steps, wrote, strict=True):
            own.append(text)
        return walk

    def draw_column(
        self, walk: Walk, rows: Sequence[tuple[Situation, int]], steps: Sequence[list[Step]], number: int, last: bool
    ) -> tuple[Walk, list[Image.Image]]:
        """Every row draws a picture; the walk after it."""
        contexts = Contexts(walk.main, walk.text_free, walk.image_free)
        whose = [Row(situation.group, member, number * ROUND) for situation, member in rows]
        drawn = draw_window(self.bagel, contexts, self.sampler, whose, self.grid)
        pictures = self.pictures(torch.stack([one.final for one in drawn]))
        views = [] if last else [self.script.see(picture) for picture in pictures]
        for row, one in enumerate(drawn):
            steps[row].append(one if last else replace(one, view=views[row]))
        return drew_image(self.bagel, walk, views, last), pictures

    def pictures(self, latents: Tensor) -> list[Image.Image]:
        """Pictures of final latents (B, N, D)."""
        return self.unified.pictures(latents.to(self.bagel.device), self.grid)

    def trajectory(
        self, row: tuple[Situation, int], steps: Sequence[Step], pictures: Sequence[Image.Image]
    ) -> Trajectory:
        """A row as it is judged and replayed; a drawing that is no number is a generation with an error."""
        situation, member = row
        texts = [self.unified.coder.decode(one.ids) for one in steps if isinstance(one, Wrote)]
        drafts = tuple(Draft(picture, text) for picture, text in zip(pictures[:-1], texts[1:], strict=False))
        seed = situation.group.noise_seed(member, INITIAL)
        finite = all(bool(torch.isfinite(one.final).all()) for one in steps if isinstance(one, Drew))
        if finite:
            response = Response(pictures[-1], texts[0] if texts else "", drafts)
            generation = Generation(situation.sample, seed, response)
        else:
            failure = Failure("generation_error", "the latents are not finite")
            generation = Generation(situation.sample, seed, None, failure)
        return Trajectory(situation, member, generation, tuple(steps), self.version)

    @torch.no_grad()
    def sketch(self, situations: Sequence[Situation], count: int) -> list[list[Image.Image]]:
        """Pictures without thinking and without noise, with the model's own guidance and grid."""
        bagel, drawing = self.bagel, self.unified.drawing
        found: list[list[Image.Image]] = []
        each = max(1, self.rollout.rows // count)
        for start in range(0, len(situations), each):
            part = list(situations[start : start + each])
            whole = [*part, *[part[-1]] * (each - len(part))]
            texts = [self.script.text(one.request.prompt) for one in whole]
            walk = read_given(bagel, Walk.begin(each, bagel.device), texts)
            rows = [Row(one.group, -1 - number) for one in whole for number in range(count)]
            shape = (self.grid[0] * self.grid[1], bagel.config.token_width)
            noise = torch.stack([row.noise(INITIAL, shape) for row in rows]).to(bagel.device)
            canvas = Canvas.of([self.grid] * len(rows), bagel.config.max_latent_size, bagel.device)
            contexts = Contexts(walk.main, walk.text_free, walk.image_free)
            sigmas = replace(self.sampler, transitions=drawing.points - 1, shift=drawing.shift).sigmas
            pictures = self.pictures(draw(bagel, contexts, noise, sigmas, canvas, drawing.guidance))
            found += [pictures[place * count : (place + 1) * count] for place in range(len(part))]
        return found

    def replay(self, trajectories: Sequence[Trajectory], train: bool) -> Replayed:
        """Walks trajectories of the same kinds of steps again."""
        with self.computing():
            return replay_walk(self.bagel, trajectories, train)

    def velocities(
        self, replayed: Replayed, drawing: int, latents: Tensor, sigmas: Tensor, guidance: Guidance
    ) -> Tensor:
        """Velocities (B, J, N, D) in the contexts of one drawing."""
        with self.computing():
            return velocities(self.bagel, replayed.contexts[drawing], latents, sigmas, self.grid, guidance)


def chunks(shapes: Sequence[Any], size: int) -> list[list[int]]:
    """Places in order, in groups of one shape and at most `size`."""
    by_shape: dict[Any, list[int]] = {}
    for place, shape in enumerate(shapes):
        by_shape.setdefault(shape, []).append(place)
    return [
        places[start : start + size] for places in by_shape.values() for start in range(0, len(places), size)
    ]  # fmt: skip
