"""What one member of a group did: texts and pictures it was given, wrote and drew, with all that a replay needs.

Shapes: W trained transitions, N latent tokens, D numbers in a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from harness.bagel.guidance import Guidance
from harness.bagel.view import View
from harness.bagel.write import Sampling
from tasks.sample import Generation, Request, Sample
from trainer.plan import Group
from trainer.sde import Transition


@dataclass(frozen=True, slots=True)
class Given:
    """A text of somebody else's, as ids, or a picture: nothing of it is trained."""

    ids: tuple[int, ...] = ()
    view: View | None = None


@dataclass(frozen=True, slots=True)
class Wrote:
    """A text of the policy's own: ids as sampled, never tokenised again; `private` for plans and reflections."""

    ids: tuple[int, ...]
    log_probs: tuple[float, ...]
    forced: bool
    sampling: Sampling
    private: bool = True


@dataclass(frozen=True, slots=True)
class Drew:
    """A drawing of the policy's own; tensors are float32, one row a trained transition."""

    places: tuple[int, ...]
    transitions: tuple[Transition, ...]
    before: Tensor
    """x (W, N, D)"""
    mean: Tensor
    """mu (W, N, D) under the policy that drew"""
    after: Tensor
    """x' (W, N, D)"""
    log_probs: Tensor
    """l (W,) under the policy that drew"""
    final: Tensor
    """(N, D)"""
    grid: tuple[int, int]
    """Rows and columns of tokens"""
    guidance: Guidance
    view: View | None = None
    """The picture as it is read by what follows; None for the last step"""


Step = Given | Wrote | Drew


@dataclass(frozen=True, slots=True)
class Situation:
    """The condition that the members of a group share."""

    group: Group
    sample: Sample
    request: Request
    """What the policy sees: for a refinement the picture to be refined is its source."""
    refine: bool = False
    """Whether the source is the policy's own picture, to be reflected on"""
    first: float | None = None
    """Score of the picture to be refined"""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One member of a group: what came out, and every step on the way."""

    situation: Situation
    member: int
    generation: Generation
    steps: tuple[Step, ...]
    version: int = 0
    """Updates that the policy had seen when it did this"""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of step in order: trajectories of the same kinds can be replayed together."""
        return tuple(type(step).__name__ for step in self.steps)

    @property
    def shape(self) -> tuple[object, ...]:
        """The kinds and the sizes of its drawings: what a micro-batch must have in common."""
        return (*self.kinds, *(one.grid for one in self.drawings))

    @property
    def text(self) -> tuple[Wrote, ...]:
        """All that it wrote."""
        return tuple(step for step in self.steps if isinstance(step, Wrote))

    @property
    def drawings(self) -> tuple[Drew, ...]:
        """All that it drew."""
        return tuple(step for step in self.steps if isinstance(step, Drew))


def shared_rows(groups: Sequence[Group]) -> int:
    """How many consecutive rows share one condition, where all do equally; else 1."""
    runs: list[int] = []
    before: Group | None = None
    for group in groups:
        if group == before:
            runs[-1] += 1
        else:
            runs.append(1)
        before = group
    return runs[0] if len(set(runs)) == 1 else 1
