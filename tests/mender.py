"""A model that looks at its own pictures: draws half of them plain, sees which, mends those and spoils every other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from harness.model import Setting
from harness.refinement import Conversation, Redrawn, Reflection, Template
from tasks.sample import Request, Response, Sample
from tasks.scene import render
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load, scene_for
from tests.copyist import GROUND

SAID = {True: "it matches", False: "wrong"}


@dataclass(frozen=True, slots=True)
class Arguments:
    """How it reflects."""

    spoils: bool = False
    """Whether a picture that was right is drawn plain in its place."""
    blind: bool = False
    """Whether it cannot reflect at all."""


@dataclass(frozen=True, slots=True)
class Mender:
    """Draws plain ground for odd seeds."""

    arguments: Arguments
    samples: Mapping[str, Sample]
    id: str = "mender"
    record: Mapping[str, Any] = field(default_factory=dict)

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        return [
            Response(GROUND if seed % 2 else self.right(request.prompt, seed))
            for request, seed in zip(requests, seeds, strict=True)
        ]

    def right(self, prompt: str, seed: int) -> Image.Image:
        return Image.fromarray(render(scene_for(self.samples[prompt], seed)))

    def template_digest(self, template: Template) -> str:
        if self.arguments.blind:
            raise ValueError(f"mender has no eyes for {template}")
        return template

    def reflect(self, conversations: Sequence[Conversation], seeds: Sequence[int]) -> list[Reflection]:
        found = []
        for conversation, _ in zip(conversations, seeds, strict=True):
            assert not conversation.rounds[-1].words, "nothing has been written about the last picture"
            assert all(one.words for one in conversation.rounds[:-1])
            fine = conversation.rounds[-1].picture.tobytes() != GROUND.tobytes()
            found.append(Reflection(SAID[fine], (len(conversation.rounds),), fine, 10))
        return found

    def redraw(self, conversations: Sequence[Conversation], seeds: Sequence[int]) -> list[Redrawn]:
        found = []
        for conversation, seed in zip(conversations, seeds, strict=True):
            assert all(one.words for one in conversation.rounds)
            fine = conversation.rounds[-1].picture.tobytes() != GROUND.tobytes()
            plain = fine and self.arguments.spoils
            found.append(Redrawn(GROUND if plain else self.right(conversation.prompt, seed), 100))
        return found


def build(arguments: Arguments, setting: Setting) -> Mender:
    assert setting.plan
    samples = {sample.request.prompt: sample for sample in load(ScenesArguments()).samples}
    return Mender(arguments, samples)
