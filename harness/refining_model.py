"""A model that looks at what it drew, says what is wrong, and draws again where a gate lets it (method.md 2.6)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.gate import Candidate, Gate
from harness.picture import plain
from harness.refinement import Conversation, Redrawn, Reflection, Reflective, Round, Template
from tasks.key import key
from tasks.sample import Draft, Failure, Refinement, Request, Response


@dataclass(frozen=True, slots=True)
class Course:
    """One image on its way through the rounds."""

    request: Request
    seed: int
    rounds: tuple[Round, ...]
    texts: tuple[str, ...] = ()
    """What was said of the pictures, of the last one only where that ended the refinement"""
    forwards: int = 0
    going: bool = True
    failure: Failure | None = None

    def stopped(self, failure: Failure | None) -> Course:
        """Not refined any further."""
        return replace(self, going=False, failure=failure)

    def heard(self, said: Reflection, ends: bool) -> Course:
        """With what was said of its last picture."""
        rounds = (*self.rounds[:-1], replace(self.rounds[-1], words=said.words))
        forwards = self.forwards + said.forwards
        return replace(self, rounds=rounds, texts=(*self.texts, said.text), forwards=forwards, going=not ends)

    def redrawn(self, drawn: Redrawn) -> Course:
        """With one more picture."""
        return replace(
            self, rounds=(*self.rounds, Round(plain(drawn.picture))), forwards=self.forwards + drawn.forwards
        )

    def seed_for(self, what: str) -> int:
        """The seed of this round's text or noise, made of the image's own."""
        return key("refine", what, self.seed, len(self.rounds)) % 2**63


@dataclass(frozen=True, slots=True)
class RefiningModel:
    """Wraps a model that can reflect; its images are those of the last round.

    Name and record are the wrapped model's: by which rule it refines belongs to the run.
    """

    model: Reflective
    gate: Gate
    rounds: int
    template: Template
    digest: str
    """SHA-256 of the request to reflect"""

    @property
    def id(self) -> str:
        """The wrapped model's."""
        return self.model.id

    @property
    def record(self) -> Mapping[str, Any]:
        """The wrapped model's."""
        return self.model.record

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """One response a request, in order, with a draft for each refinement."""
        first = self.model.generate(requests, seeds)
        start = time.perf_counter()
        courses = [
            Course(request, seed, (Round(plain(one.image)),))
            for request, seed, one in zip(requests, seeds, first, strict=True)
            if isinstance(one, Response)
        ]
        for _ in range(self.rounds):
            courses = self.advance(courses)
        seconds = (time.perf_counter() - start) / max(1, len(courses))
        ended = iter(courses)
        return [self.outcome(one, next(ended), seconds) if isinstance(one, Response) else one for one in first]

    def advance(self, courses: Sequence[Course]) -> list[Course]:
        """After one more round of all that go on."""
        found = list(courses)
        going = [place for place, one in enumerate(found) if one.going]
        candidates = [Candidate(found[one].request, found[one].seed, found[one].rounds[-1].picture) for one in going]
        for place, choice in zip(going, self.gate.choose(candidates), strict=True):
            if choice is not True:
                found[place] = found[place].stopped(choice or None)
        going = [place for place in going if found[place].going]
        for place, said in zip(going, self.model.reflect(*self.told(found, going, "text")), strict=True):
            found[place] = found[place].heard(said, ends=self.gate.name == "self" and said.satisfied)
        going = [place for place in going if found[place].going]
        for place, drawn in zip(going, self.model.redraw(*self.told(found, going, "noise")), strict=True):
            found[place] = found[place].redrawn(drawn)
        return found

    def told(self, courses: Sequence[Course], places: Sequence[int], what: str) -> tuple[list[Conversation], list[int]]:
        """What the model is told of the courses in these places, and the seeds of what it makes of that."""
        some = [courses[place] for place in places]
        return [Conversation(one.request.prompt, self.template, one.rounds) for one in some], [
            one.seed_for(what) for one in some
        ]

    def outcome(self, first: Response, course: Course, seconds: float) -> Response | Failure:
        """The response at the end of a course."""
        if course.failure is not None:
            return course.failure
        drafts = [Draft(one.picture, text) for one, text in zip(course.rounds[:-1], course.texts, strict=False)]
        verdict = course.texts[-1] if len(course.texts) == len(course.rounds) else ""
        refinement = Refinement(self.gate.name, self.rounds, self.template, verdict, course.forwards, round(seconds, 6))
        return replace(first, image=course.rounds[-1].picture, drafts=tuple(drafts), refinement=refinement)
