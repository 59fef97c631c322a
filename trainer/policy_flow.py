"""A diffusers pipeline as a policy: it draws in groups with noise inside a window, and reads its drawings again.

There is one track, that of images. Evaluation is the pipeline's own call, with whatever has been trained in it.
Shapes: B rows, J evaluations of a row, N latent tokens, D numbers in a token.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from harness.bagel.guidance import Guidance
from harness.call_arguments import Size
from harness.model import Model
from harness.model_diffusers import DiffusersModel, out_of_memory
from tasks.sample import Failure, Generation, Request, Response
from trainer.adapter import Expert, Low, attach_network, disabled, swapped
from trainer.embeddings import Embeddings, encoders_on
from trainer.family import Condition, Family, Layout
from trainer.plan import INITIAL
from trainer.policy_unified import chunks
from trainer.replay import Replayed
from trainer.sampler import Row, Sampler, draw_rows
from trainer.shards import snapshot
from trainer.trajectory import Drew, Situation, Trajectory


@dataclass(frozen=True, slots=True)
class Scene:
    """What rows of one size read of their requests."""

    conditions: tuple[Condition, ...]
    layout: Layout


@dataclass(slots=True)
class Tuned:
    """The policy under the name of one moment, for an ordinary evaluation."""

    id: str
    record: Mapping[str, Any]
    policy: FlowPolicy

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """As the policy draws now."""
        return self.policy.generate(requests, seeds)


class FlowPolicy:
    """A policy over a pipeline whose transformer it trains."""

    def __init__(
        self, model: DiffusersModel, family: Family, targets: Sequence[str], sampler: Sampler, embeddings: Embeddings,
        low: Low | None, rows: int = 8, seed: int = 0, half: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.family, self.sampler, self.embeddings = model, family, sampler, embeddings
        self.id, self.record = model.id, model.record
        self.rows, self.half, self.halved, self.low = rows, half, False, low
        self.version = 0
        self.network: nn.Module = model.pipeline.transformer
        self.trained = attach_network(self.network, targets, low, seed)
        self.kinds: Mapping[str, Expert] = dict.fromkeys(self.trained, "generation")
        self.base: Mapping[str, Tensor] | None = None if low is not None else snapshot(self.trained)

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return next(self.network.parameters()).device

    @property
    def thinks(self) -> bool:
        """A pipeline writes nothing."""
        return False

    def computing(self) -> AbstractContextManager[None]:
        """The arithmetic of forwards, the same in rollout and replay: bfloat16 where it was asked for."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""
        return self.trained

    def reference(self) -> AbstractContextManager[None]:
        """While open, the policy is the one that training began with."""
        return disabled(self.network) if self.base is None else swapped(self.trained, self.base)

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """The pipeline's own call."""
        with encoders_on(self.model.pipeline, self.device):
            return self.model.generate(requests, seeds)

    def as_model(self, updates: int) -> Model:
        """The policy as it is now, under a name of its own."""
        return Tuned(f"{self.id}+{updates}", {**self.record, "updates": updates}, self)

    def size_of(self, request: Request) -> Size:
        """Width and height that a request is drawn at; ValueError for an edit whose size nobody names."""
        size = self.model.size_of(request)
        if size is None and request.sources:
            raise ValueError("an edit is trained at a size that buckets= or width= and height= of model_args name")
        return size or default_size(self.model.pipeline)

    def scene(self, requests: Sequence[Request]) -> Scene:
        """What requests of one size are to the network."""
        size = self.size_of(requests[0])
        conditions = self.embeddings.read([(request, size) for request in requests])
        return Scene(tuple(conditions), self.family.layout(size))

    @torch.no_grad()
    def explore(self, rows: Sequence[tuple[Situation, int]]) -> list[Trajectory]:
        """One trajectory a (situation, member), in order; out of memory, the rows of a chunk are halved once."""
        found: dict[int, Trajectory] = {}
        asked = [(one.request, self.size_of(one.request)) for one, _ in rows]
        read = [source_of(one) for one in self.embeddings.read(asked)]
        shapes = [(size, seen) for (_, size), seen in zip(asked, read, strict=True)]
        for alike in chunks(shapes, len(rows)):
            left = alike
            while left:
                chunk = left[: self.rows]
                whole = [*chunk, *[chunk[-1]] * (self.rows - len(chunk))]
                try:
                    done = self.draw([rows[place] for place in whole])
                except RuntimeError as error:
                    if not out_of_memory(error):
                        raise
                    self.halve()
                    continue
                found.update(zip(chunk, done, strict=False))
                left = left[len(chunk) :]
        return [found[place] for place in range(len(rows))]

    def draw(self, rows: Sequence[tuple[Situation, int]]) -> list[Trajectory]:
        """The trajectories of rows of one size."""
        scene = self.scene([situation.request for situation, _ in rows])
        layout, sampler = scene.layout, self.sampler
        seeds = [one.group.noise_seed(member, INITIAL, sampler.same_start) for one, member in rows]
        noise = [layout.noise(torch.Generator().manual_seed(seed)) for seed in seeds]
        sigmas = self.family.sigmas(sampler.transitions, layout)

        def velocity(latents: Tensor, levels: Tensor) -> Tensor:
            return self.speed(latents, levels, scene.conditions, layout, sampler.guidance)

        whose = [Row(situation.group, member) for situation, member in rows]
        with self.computing():
            drawn = draw_rows(velocity, sampler, sigmas, whose, torch.stack(noise).to(self.device), layout.grid)
        return [self.trajectory(row, one, layout) for row, one in zip(rows, drawn, strict=True)]

    def trajectory(self, row: tuple[Situation, int], drew: Drew, layout: Layout) -> Trajectory:
        """A row as it is judged and replayed; a drawing that is no number is a generation with an error."""
        (situation, member), response, failure = row, None, None
        if bool(torch.isfinite(drew.final).all()):
            response = Response(self.picture(drew.final, layout))
        else:
            failure = Failure("generation_error", "the latents are not finite")
        seed = situation.group.noise_seed(member, INITIAL)
        generation = Generation(situation.sample, seed, response, failure)
        return Trajectory(situation, member, generation, (drew,), self.version)

    def picture(self, latents: Tensor, layout: Layout) -> Image.Image:
        """The picture of final latents (N, D), as the pipeline would give it; decoded alone, so no neighbour counts."""
        pixels = self.family.decode(latents[None].to(self.device), layout)
        processor = self.model.pipeline.image_processor
        found: Image.Image = processor.numpy_to_pil(processor.pt_to_numpy(pixels.float()))[0]
        return found

    def sketch(self, situations: Sequence[Situation], count: int) -> list[list[Image.Image]]:  # noqa: ARG002 - as above
        """Refused: a pipeline does not reflect on its pictures."""
        raise ValueError("a diffusers pipeline draws and edits; it does not refine its own pictures (mode rt2i)")

    def replay(self, trajectories: Sequence[Trajectory], train: bool) -> Replayed:  # noqa: ARG002 - it writes nothing
        """What the drawings of trajectories of one size read."""
        return Replayed((self.scene([one.situation.request for one in trajectories]),), ())

    def velocities(
        self, replayed: Replayed, drawing: int, latents: Tensor, sigmas: Tensor, guidance: Guidance
    ) -> Tensor:
        """Velocities (B, J, N, D), all evaluations of all rows in one forward."""
        scene: Scene = replayed.contexts[drawing]
        rows, each = latents.shape[:2]
        conditions = [one for one in scene.conditions for _ in range(each)]
        with self.computing():
            found = self.speed(latents.flatten(0, 1), sigmas.flatten(), conditions, scene.layout, guidance)
        return found.view(rows, each, *found.shape[1:])

    def speed(
        self, latents: Tensor, sigmas: Tensor, conditions: Sequence[Condition], layout: Layout, guidance: Guidance
    ) -> Tensor:
        """The velocity (B, N, D) of rows at levels (B,), guided where guidance applies to their level."""
        shapes = [
            (guidance.applies(float(sigma)), source_of(one)) for sigma, one in zip(sigmas, conditions, strict=True)
        ]
        found: Tensor | None = None
        for places in chunks(shapes, len(shapes)):
            family = self.family if shapes[places[0]][0] or self.family.branches == 1 else unguided(self.family)
            part = [{name: one.to(self.device) for name, one in conditions[row].items()} for row in places]
            speed = family.velocity(latents[places], sigmas[places], part, layout)
            if len(places) == len(shapes):
                return speed
            found = torch.zeros_like(latents) if found is None else found
            found = found.index_copy(0, torch.tensor(places, device=found.device), speed)
        if found is None:
            raise ValueError("no row was given")
        return found

    def halve(self) -> None:
        """Halves the rows of a chunk, once; ValueError the second time, or where there is but one."""
        torch.cuda.empty_cache()
        if self.halved or self.rows == 1:
            raise ValueError(f"out of memory in a rollout of {self.rows} picture(s); try bf16: true or a smaller size")
        self.rows, self.halved = (self.rows + 1) // 2, True
        print(f"harness: out of memory; from here on {self.rows} trajectories are drawn together", file=sys.stderr)


def default_size(pipeline: Any) -> Size:
    """Width and height of what a pipeline draws when it is told none."""
    side = vars(pipeline).get("default_sample_size") or pipeline.transformer.config.sample_size
    return side * pipeline.vae_scale_factor, side * pipeline.vae_scale_factor


def source_of(condition: Condition) -> tuple[int, ...]:
    """The tokens of a row's source, and their grid where the network is told it: rows that differ go apart."""
    grid = condition.get("source_grid")
    return (
        *(condition["source"].shape if "source" in condition else ()),
        *(grid.flatten().tolist() if grid is not None else ()),
    )


def unguided(family: Family) -> Family:
    """The same parts without guidance."""
    found: Family = replace(family, guidance=1.0)  # type: ignore[type-var]
    return found
