"""The trainer's side of a model: what it must be able to do to be trained.

Shapes: B rows, J evaluations of a row, N latent tokens, D numbers in a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from harness.bagel.guidance import Guidance
from harness.model import Model
from tasks.sample import Failure, Request, Response
from trainer.adapter import Expert
from trainer.replay import Replayed
from trainer.sampler import Sampler
from trainer.trajectory import Situation, Trajectory


class Policy(Protocol):
    """A model that can be trained: it explores groups, replays what it did, and shows its parameters."""

    id: str
    record: Mapping[str, Any]
    sampler: Sampler
    kinds: Mapping[str, Expert]
    """The expert of each trained parameter: images teach one, texts the other"""
    version: int
    """Updates so far"""
    base: Mapping[str, Tensor] | None
    """The trained weights as training began, for `reference`; None where adapters are turned off instead"""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        ...

    @property
    def thinks(self) -> bool:
        """Whether a text is written and trained before each drawing."""
        ...

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> Sequence[Response | Failure]:
        """As any model of the harness."""
        ...

    def explore(self, rows: Sequence[tuple[Situation, int]]) -> list[Trajectory]:
        """One trajectory a (situation, member), in order; members of one group side by side share their reading."""
        ...

    def sketch(self, situations: Sequence[Situation], count: int) -> list[list[Image.Image]]:
        """`count` pictures of each situation without thinking and without noise: what a refinement starts from."""
        ...

    def replay(self, trajectories: Sequence[Trajectory], train: bool) -> Replayed:
        """Walks trajectories of the same kinds of steps again; texts with gradient if `train`."""
        ...

    def velocities(
        self, replayed: Replayed, drawing: int, latents: Tensor, sigmas: Tensor, guidance: Guidance
    ) -> Tensor:
        """Velocities (B, J, N, D) in the contexts of one drawing, with gradient where it is on."""
        ...

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""
        ...

    def reference(self) -> AbstractContextManager[None]:
        """While open, the policy is the one that training began with; restored whatever happens."""
        ...

    def as_model(self, updates: int) -> Model:
        """The policy as it is now, for an ordinary evaluation, under a name of its own."""
        ...
