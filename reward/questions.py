"""questions: the reward made of many small answers about one image (DVReward, DSG, DPG, TIFA, Soft-TIFA, VQAScore).

Every question is one query with the image first. The questions of all images travel in one call; where a failed parent
spares its children (`gating` dsg), those with parents follow in a second one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reward.combine import COMBINES, combine_verdicts
from reward.gating import GATINGS, ancestors, failed
from reward.nearest import NAME, TOKENS, open_nearest
from reward.options import Options, read_options
from reward.reading import READINGS, answer_values, read
from reward.reward import Reward, check_range
from reward.verdict import Score, Verdict
from reward.verifier import Query, Verifier
from tasks.registry import unknown
from tasks.sample import Generation, Question
from tasks.task import RewardSpec

NOT_ASKED = "not asked"
SPEC = RewardSpec()

Known = Sequence[Verdict | None]
Wave = Callable[[Sequence[Question], Known], list[int]]


def everything(questions: Sequence[Question], known: Known) -> list[int]:  # noqa: ARG001 - one signature for all waves
    """All questions at once."""
    return list(range(len(questions)))


def roots(questions: Sequence[Question], known: Known) -> list[int]:  # noqa: ARG001 - one signature for all waves
    """Questions without parents."""
    return [place for place, above in enumerate(ancestors(questions)) if not above]


def unspared(questions: Sequence[Question], known: Known) -> list[int]:
    """Questions with parents, none of which is known to have failed or to be unanswered."""
    spares = [one is not None and (one.value is None or failed(one)) for one in known]
    above = enumerate(ancestors(questions))
    return [place for place, places in above if places and not any(spares[one] for one in places)]


def waves_of(gating: str) -> tuple[Wave, ...]:
    """In how many calls an image is asked about, and what in each."""
    return (roots, unspared) if gating == "dsg" else (everything,)


class QuestionsReward:
    """Asks each question of each image and combines the answers."""

    def __init__(self, reading: str, combine: str, options: Options, verifier: Verifier) -> None:
        self.reading, self.combine, self.options, self.verifier = reading, combine, options, verifier
        self.nearest = open_nearest(options.sentences) if reading == NAME else None
        self.range = (0.0, 1.0)
        told: dict[str, Any] = {
            "kind": "questions",
            "reading": reading,
            "combine": combine,
            "options": {**options.record(), **({"sentences": self.nearest.encoder.id} if self.nearest else {})},
            "prompts_sha256": hashlib.sha256(options.template.encode()).hexdigest(),
        }
        self.id = digest({**told, "verifier": verifier.id})
        stand_in = self.nearest.encoder.stand_in if self.nearest else ""
        self.record: Mapping[str, Any] = {"id": self.id, **told, **({"stand_in": stand_in} if stand_in else {})}

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; None as its value means unscored, never zero."""
        known: list[list[Verdict | None]] = [[None] * len(one.sample.questions) for one in generations]
        for wave in waves_of(self.options.gating):
            cells = [
                (row, place, one, one.sample.questions[place])
                for row, one in enumerate(generations)
                if one.response is not None
                for place in wave(one.sample.questions, known[row])
            ]
            verdicts = self._ask([(one, question) for _, _, one, question in cells])
            for (row, place, _, _), verdict in zip(cells, verdicts, strict=True):
                known[row][place] = verdict
        return [self._judge(one, verdicts) for one, verdicts in zip(generations, known, strict=True)]

    def _ask(self, asked: Sequence[tuple[Generation, Question]]) -> list[Verdict]:
        replies = self.verifier.ask([self._query(*one) for one in asked]) if asked else []
        if len(replies) != len(asked):
            raise ValueError(f"verifier {self.verifier.id!r} gave {len(replies)} replies to {len(asked)} queries")
        reading, options = self.nearest or READINGS[self.reading], self.options
        return [
            read(reading, reply, question, options.abstain_below, options.binary)
            for (_, question), reply in zip(asked, replies, strict=True)
        ]

    def _query(self, generation: Generation, question: Question) -> Query:
        """The image first, so that all questions of an image share a prefix (method.md 3.3)."""
        text = self.options.template.replace("{question}", question.text)
        images = (generation.response.image,) if generation.response else ()
        about = (generation.sample.id, generation.seed, question.id)
        if self.nearest:
            return Query(images, text, (), max_tokens=TOKENS, about=about)
        answers = tuple(answer for answer in answer_values(question) if answer)
        return Query(images, text, answers, about=about)

    def _judge(self, generation: Generation, known: Known) -> Score:
        questions = generation.sample.questions
        if not questions:
            raise ValueError(f"sample {generation.sample.id!r} has no questions")
        if generation.error is not None:
            missing = tuple(skipped(question, generation.error.message) for question in questions)
            return Score(None, missing, status=generation.error.status, error=generation.error.message)
        raw = [one or skipped(question, NOT_ASKED) for question, one in zip(questions, known, strict=True)]
        verdicts = tuple(GATINGS[self.options.gating](questions, raw))
        value, parts = combine_verdicts(self.combine, questions, verdicts, self.options)
        if value is None:
            cause = first_failed(verdicts)
            return Score(None, verdicts, parts, cause.status, cause.error)
        return Score(check_range(self, generation, value), verdicts, parts)


def skipped(question: Question, reason: str) -> Verdict:
    """The verdict of a question that was not asked."""
    return Verdict(question.id, None, status="skipped", error=reason)


def first_failed(verdicts: Sequence[Verdict]) -> Verdict:
    """The first verdict that is a failure of its own, not one that was skipped because of another."""
    return min((one for one in verdicts if one.value is None), key=lambda one: one.status == "skipped")


def digest(facts: Mapping[str, Any]) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of canonical JSON (harness.md 5.8)."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward a task names; ValueError names what does not exist or is missing."""
    options = read_options(spec.options)
    known = (
        ("reading", spec.reading, (*READINGS, NAME)),
        ("combine", spec.combine, COMBINES),
        ("gating", options.gating, GATINGS),
    )
    for kind, name, choices in known:
        if name not in choices:
            raise ValueError(unknown(kind, name, choices))
    if COMBINES[spec.combine].weighs is not None and not options.weights:
        raise ValueError(f"the combine {spec.combine!r} needs the option 'weights'")
    if COMBINES[spec.combine].gates and not options.gate_tags:
        raise ValueError(f"the combine {spec.combine!r} needs the option 'gate_tags'")
    return QuestionsReward(spec.reading, spec.combine, options, verifier)
