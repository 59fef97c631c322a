"""detector: the reward made of what a detector finds and of fixed rules about it (GenEval, T2I-CompBench).

The verifier gives detections, the rules are named by the task. The questions of a sample are the clauses of its rules;
the answer to each is what was found, so that the rules can be held against the record without a detector.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from reward.combine import COMBINES, combine_verdicts
from reward.detection import Detection, Wanted, read_detections
from reward.options import Options, read_options
from reward.questions import digest, first_failed, skipped
from reward.reward import Reward, check_range
from reward.verdict import Score, Verdict
from reward.verifier import Query, Reply, Verifier
from tasks.registry import find_module, unknown
from tasks.sample import Generation, Question, Sample
from tasks.task import RewardSpec

if TYPE_CHECKING:
    from PIL.Image import Image

RULES = {
    "geneval": "reward.rules_geneval",
    "compbench": "reward.rules_compbench",
}
"""Rules by name; each module has `read_rules(options) -> Rules`."""
SPEC = RewardSpec("detector", "geneval", "all")
ENOUGH = 20
"""Images after which it is told that hardly anything is detected at all."""


class Rules(Protocol):
    """What is asked of a detector about a sample, and what the detections mean."""

    def framed(self, image: Image) -> Image:
        """The picture as the detector is to see it."""
        ...

    def wanted(self, sample: Sample) -> Wanted:
        """The classes to look for."""
        ...

    def judge(self, sample: Sample, detections: Sequence[Detection]) -> Mapping[str, tuple[float, str]]:
        """Value and answer of each question, by its id."""
        ...

    def record(self) -> dict[str, Any]:
        """All thresholds, ready for JSON."""
        ...


class DetectorReward:
    """Asks for detections and applies the rules."""

    def __init__(self, name: str, rules: Rules, combine: str, options: Options, verifier: Verifier) -> None:
        self.rules, self.combine, self.options, self.verifier = rules, combine, options, verifier
        self.range = (0.0, 1.0)
        self.seen = self.empty = 0
        told: dict[str, Any] = {
            "kind": "detector",
            "reading": name,
            "combine": combine,
            "options": {**options.record(), "rules": rules.record()},
            "prompts_sha256": hashlib.sha256(b"").hexdigest(),
        }
        self.id = digest({**told, "verifier": verifier.id})
        self.record: Mapping[str, Any] = {"id": self.id, **told}

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; an image without detections is a scored 0, a failed detector has none."""
        queries = [
            Query(
                (self.rules.framed(one.response.image),),
                self.rules.wanted(one.sample).text(),
                (),
                about=(one.sample.id, one.seed, ""),
            )
            for one in generations
            if one.response is not None
        ]
        replies = iter(self.verifier.ask(queries) if queries else [])
        scores = [self._judge(one, next(replies) if one.response is not None else None) for one in generations]
        self._warn()
        return scores

    def _judge(self, generation: Generation, reply: Reply | None) -> Score:
        questions = generation.sample.questions
        if generation.error is not None or reply is None:
            failure = generation.error
            status, message = (failure.status, failure.message) if failure else ("skipped", "")
            return Score(None, tuple(skipped(one, message) for one in questions), status=status, error=message)
        verdicts, detected = self._verdicts(generation.sample, reply)
        value, parts = combine_verdicts(self.combine, questions, verdicts, self.options)
        parts = {**parts, "detected": detected}
        if value is None:
            cause = first_failed(verdicts)
            return Score(None, verdicts, parts, cause.status, cause.error)
        return Score(check_range(self, generation, value), verdicts, parts)

    def _verdicts(self, sample: Sample, reply: Reply) -> tuple[tuple[Verdict, ...], float | None]:
        """A verdict for every question, and whether anything at all was detected."""
        if reply.status != "ok":
            return tuple(failed(one, reply) for one in sample.questions), None
        try:
            detections, others = read_detections(reply.text)
            found = self.rules.judge(sample, detections)
        except ValueError as error:
            broken = replace(reply, status="parse_error", error=str(error))
            return tuple(failed(one, broken) for one in sample.questions), None
        reply = replace(reply, text="", key=reply.key or digest({"sample": sample.id, "text": reply.text}))
        verdicts = tuple(Verdict(one.id, *found[one.id], reply=reply) for one in sample.questions)
        self.seen += 1
        self.empty += not (detections or others)
        return verdicts, float(bool(detections or others))

    def _warn(self) -> None:
        """Says so once when over half of the images show nothing at all to the detector."""
        if self.seen >= ENOUGH and 2 * self.empty > self.seen:
            logging.getLogger(__name__).warning(
                "nothing at all is detected in %d of %d images; some builds of detectors give confidences near zero: "
                "try the detector on a photograph before trusting this score",
                self.empty, self.seen,
            )  # fmt: skip
            self.seen = -(10**9)


def failed(question: Question, reply: Reply) -> Verdict:
    """The verdict of a clause that could not be checked."""
    return Verdict(question.id, None, "", reply.status, reply.error, reply)


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward a task names; ValueError names what does not exist."""
    if spec.combine not in COMBINES:
        raise ValueError(unknown("combine", spec.combine, COMBINES))
    given = {"min_answered": 1.0, **spec.options}
    rules: Rules = find_module("rules", spec.reading, RULES).read_rules(given.pop("rules", {}))
    return DetectorReward(spec.reading, rules, spec.combine, read_options(given), verifier)
