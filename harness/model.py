"""The model's side of the contract: requests and seeds in, responses out, same order and length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tasks.sample import Failure, Request, Response

MODELS = {
    "tiny": "harness.model_tiny",
    "bagel": "harness.model_bagel",
    "folder": "harness.model_folder",
    "blank": "harness.model_blank",
    "diffusers": "harness.model_diffusers",
    "openai": "harness.model_openai",
    "run": "trainer.model_run",
}
"""Model names; each module has a dataclass `Arguments` and a function `build(arguments, setting) -> Model`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One image to make: the sample, which of its images, and the seed that belongs to the pair."""

    sample: str
    index: int
    seed: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run tells a model when it is built; `plan` lets stored images be found by prompt and seed."""

    device: str = "cpu"
    plan: tuple[Cell, ...] = ()
    trust_remote_code: bool = False
    """Whether code that comes with a model's weights may run"""


class RequestFailed(Exception):
    """Raised by a model for one request that has no image; the failure becomes that row."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Model(Protocol):
    """Makes images."""

    @property
    def id(self) -> str:
        """Names weights and arguments."""
        ...

    @property
    def record(self) -> Mapping[str, Any]:
        """What run.json keeps of them."""
        ...

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> Sequence[Response | Failure]:
        """One response a request, in order; an image depends on its request and seed alone, not on its batch.

        A failure in a response's place becomes that row, and nothing else is asked for again. May raise for the whole
        batch: the run then asks for its halves, and a request that raises alone is recorded as failed (`RequestFailed`
        carries the status of its row).
        """
        ...
