"""Which images are refined (method.md 2.6): all, by the model's own word, by a verifier's, or by the benchmark's own.

Only the gate that is called oracle reads the benchmark's reward. A verifier's question is made from the prompt alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from harness.refinement import GateName
from reward.reading import exact, read, share
from reward.reward import Reward
from reward.verdict import Score
from reward.verifier import Query, Reply, Verifier
from tasks.sample import Failure, Generation, Question, Request, Response, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

MATCHES = Question("gate", "whether the image shows what was asked for")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that might be refined."""

    request: Request
    seed: int
    picture: Image


class Gate(Protocol):
    """Decides which images are refined."""

    @property
    def name(self) -> GateName:
        """Its kind."""
        ...

    @property
    def label(self) -> str:
        """What stands in the task's name: the gate, with all that decides what it lets through."""
        ...

    @property
    def record(self) -> Mapping[str, Any]:
        """What else run.json keeps of it."""
        ...

    def choose(self, candidates: Sequence[Candidate]) -> list[bool | Failure]:
        """Whether each image is to be refined, in order; a failure where that could not be found out."""
        ...


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Asks nobody; under the name `self`, what the model writes decides afterwards."""

    name: GateName
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name alone."""
        return self.name

    def choose(self, candidates: Sequence[Candidate]) -> list[bool | Failure]:
        """Every image."""
        return [True] * len(candidates)


@dataclass(frozen=True, slots=True)
class VerifierGate:
    """Refines what a verifier finds to match its prompt with a probability below a threshold."""

    verifier: Verifier
    question: str
    """With `{prompt}` where the prompt stands"""
    threshold: float
    name: GateName = "verifier"

    @property
    def label(self) -> str:
        """The verifier and its threshold."""
        return f"verifier {self.verifier.id} below {self.threshold:g}"

    @property
    def record(self) -> Mapping[str, Any]:
        """Who is asked what."""
        asked = {"question": self.question, "threshold": self.threshold}
        return {"verifier": {**self.verifier.record, "id": self.verifier.id}, **asked}

    def choose(self, candidates: Sequence[Candidate]) -> list[bool | Failure]:
        """Those below the threshold."""
        texts = [self.question.replace("{prompt}", one.request.prompt) for one in candidates]
        queries = [Query((one.picture,), text) for one, text in zip(candidates, texts, strict=True)]
        return [self.decide(reply) for reply in self.verifier.ask(queries)]

    def decide(self, reply: Reply) -> bool | Failure:
        """The decision that a reply makes: its share of yes, or its word where it gives no probabilities."""
        verdict = read(share if reply.probabilities else exact, reply, MATCHES, 0.0, binary=False)
        if verdict.value is None:
            return Failure(verdict.status, f"the gate's verifier gave no decision: {verdict.error}")
        return verdict.value < self.threshold


@dataclass(frozen=True, slots=True)
class OracleGate:
    """Refines what the benchmark's own reward marks wrong; the score cannot fall because of images that were right."""

    reward: Reward
    samples: Mapping[tuple[str, int], Sample]
    """By prompt and seed"""
    name: GateName = "oracle"
    label: str = "oracle"

    @property
    def record(self) -> Mapping[str, Any]:
        """Whose word it takes."""
        return {"reward": self.reward.id}

    def choose(self, candidates: Sequence[Candidate]) -> list[bool | Failure]:
        """Those that are not right."""
        scores = self.reward.score(
            [
                Generation(self.samples[one.request.prompt, one.seed], one.seed, Response(one.picture))
                for one in candidates
            ]
        )
        return [self.decide(score) for score in scores]

    def decide(self, score: Score) -> bool | Failure:
        """The decision that a score makes."""
        right = is_right(score.value, score.parts, self.reward.range[1])
        if right is None:
            status = "skipped" if score.status == "ok" else score.status
            return Failure(status, f"the oracle gate gave no decision: {score.error}")
        return not right


def is_right(score: float | None, parts: Mapping[str, float | None], best: float) -> bool | None:
    """Whether an image is right: its part `correct`, or the best score there is; None where that is not known."""
    found, wanted = (parts["correct"], 1.0) if "correct" in parts else (score, best)
    return None if found is None else found >= wanted
