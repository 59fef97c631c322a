"""A model that knows the scenes: renders what is asked for that share of images, and plain ground for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from harness.model import Setting
from tasks.sample import Draft, Request, Response, Sample
from tasks.scene import render
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load, scene_for

GROUND = Image.new("RGB", (32, 32), (208, 208, 208))
HOSTILE = '<img src=x onerror="window.hurt=1"></script><script>window.hurt=1</script>'


@dataclass(frozen=True, slots=True)
class Arguments:
    """How well it copies."""

    skill: float = 1.0
    """Share of the seeds it draws for."""
    hostile: bool = False
    """Whether its thoughts are markup."""
    fail_on: str = ""
    """Requests whose prompt holds this word raise."""


@dataclass(frozen=True, slots=True)
class Copyist:
    """Draws from the scene that a prompt stands for."""

    arguments: Arguments
    samples: Mapping[str, Sample]
    id: str
    record: Mapping[str, Any] = field(default_factory=dict)

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        return [self.draw(request, seed) for request, seed in zip(requests, seeds, strict=True)]

    def draw(self, request: Request, seed: int) -> Response:
        if self.arguments.fail_on and self.arguments.fail_on in request.prompt:
            raise RuntimeError("the pencil broke")
        knows = seed % 1000 < 1000 * self.arguments.skill
        image = Image.fromarray(render(scene_for(self.samples[request.prompt], seed))) if knows else GROUND
        thought = HOSTILE if self.arguments.hostile else f"I will draw {request.prompt}."
        return Response(image, thought, (Draft(GROUND, "There is nothing yet."),))


def build(arguments: Arguments, setting: Setting) -> Copyist:
    samples = {sample.request.prompt: sample for sample in load(ScenesArguments()).samples}
    return Copyist(arguments, samples, f"copyist-{arguments.skill:g}")
