"""weighted: the sum of other rewards by name, each with its weight; a part may have a verifier of its own.

An image has a score when every part has one: a part that is missing is not zero, and its weight is not given to the
others, which would be another reward. A part asks the questions of its `groups`; without them, those that no other part
names. Parts of the kinds `vqascore` and `readback` ask their own. Combined by `mean`, an image has the weighted mean of
those parts that have questions about its sample (the 3-in-1 score of T2I-CompBench).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reward.asking import OWN
from reward.questions import digest, first_failed
from reward.reward import REWARDS, Reward, check_range
from reward.several import Several
from reward.verdict import Score
from reward.verifier import Verifier
from tasks.registry import find_module, unknown
from tasks.sample import Generation, Question
from tasks.task import RewardSpec

SUM, MEAN = "sum", "mean"
SPEC = RewardSpec("weighted", "sum", SUM)
KEYS = ("weight", "kind", "reading", "combine", "options", "groups", "verifier", "verifier_args")
"""What can be said of a part."""


@dataclass(frozen=True, slots=True)
class Part:
    """One reward and its weight; `groups` are those of the questions that it asks, none for all that are left."""

    weight: float
    kind: str
    groups: tuple[str, ...]
    reward: Reward
    stand_in: str = ""
    """Names its verifier where that is not the one that figures are published of"""


class WeightedReward:
    """Adds what its parts say."""

    def __init__(self, parts: Mapping[str, Part], combine: str = SUM) -> None:
        self.parts, self.combine = parts, combine
        ends = [[part.weight * end for end in part.reward.range] for part in parts.values()]
        self.range = (math.fsum(map(min, ends)), math.fsum(map(max, ends)))
        if combine == MEAN:
            lows, highs = zip(*(part.reward.range for part in parts.values()), strict=True)
            self.range = (min(lows), max(highs))
        told: dict[str, Any] = {
            "kind": "weighted",
            "reading": SPEC.reading,
            "combine": combine,
            "options": {
                name: {"weight": part.weight, "groups": list(part.groups), "reward": dict(part.reward.record)}
                for name, part in sorted(parts.items())
            },
            "prompts_sha256": digest({name: part.reward.record["prompts_sha256"] for name, part in parts.items()}),
        }
        self.id = digest(told)
        ranges = {name: list(part.reward.range) for name, part in parts.items()}
        self.record: Mapping[str, Any] = {"id": self.id, **told, "ranges": ranges}
        names = sorted({part.stand_in for part in parts.values() if part.stand_in})
        if names:
            self.record = {**self.record, "stand_in": "+".join(names)}

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; None as its value means that a part has none."""
        asked = {
            name: {place: share for place, one in enumerate(generations) if (share := self._share(one, name))}
            for name in self.parts
        }
        found: list[dict[str, Score]] = [{} for _ in generations]
        for name, shares in asked.items():
            scores = self.parts[name].reward.score(list(shares.values()))
            for place, score in zip(shares, scores, strict=True):
                found[place][name] = score
        return [self._sum(one, scores) for one, scores in zip(generations, found, strict=True)]

    def _share(self, generation: Generation, name: str) -> Generation | None:
        """The generation with the questions of one part; a sum wants every part to have some, a mean leaves it out."""
        part, sample = self.parts[name], generation.sample
        mine = tuple(question for question in sample.questions if self._owner(question) == name)
        if not mine and self.combine == MEAN:
            return None
        if not mine:
            raise ValueError(f"sample {sample.id!r} has no question for the part {name!r} (kind {part.kind})")
        return replace(generation, sample=replace(sample, questions=mine))

    def _owner(self, question: Question) -> str:
        """The part that asks a question; ValueError if none does."""
        named = [name for name, part in self.parts.items() if question.group in part.groups]
        left = [name for name, part in self.parts.items() if not part.groups]
        if not named and not left:
            raise ValueError(f"question {question.id!r} of the group {question.group!r} belongs to no part")
        return (named or left)[0]

    def _sum(self, generation: Generation, scores: Mapping[str, Score]) -> Score:
        found = {verdict.question: verdict for score in scores.values() for verdict in score.verdicts}
        verdicts = tuple(found[question.id] for question in generation.sample.questions)
        values = {name: score.value for name, score in scores.items()}
        lost = next((score for score in scores.values() if score.value is None), None)
        if lost is not None:
            failed = [verdict for verdict in lost.verdicts if verdict.value is None]
            error = lost.error or (first_failed(failed).error if failed else "")
            return Score(None, verdicts, values, lost.status, error)
        total = math.fsum(self.parts[name].weight * value for name, value in values.items() if value is not None)
        if self.combine == MEAN:
            total /= math.fsum(self.parts[name].weight for name in values)
        return Score(check_range(self, generation, total), verdicts, values)


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward a task names; ValueError says which part is wrong, and how."""
    given = dict(spec.options)
    given.pop("official", None)
    parts = given.pop("parts", None)
    if spec.combine not in (SUM, MEAN):
        raise ValueError(unknown("combine of weighted", spec.combine, [SUM, MEAN]))
    if given:
        raise ValueError(unknown("option of weighted", next(iter(given)), ["parts"]))
    if not isinstance(parts, Mapping) or not parts:
        raise ValueError("weighted needs the option 'parts': a mapping from names to rewards with their weights")
    read = {str(name): read_part(str(name), one, verifier) for name, one in parts.items()}
    left = [name for name, part in read.items() if not part.groups]
    if len(left) > 1:
        raise ValueError(f"the parts {' and '.join(map(repr, left))} both ask what is left; give them 'groups'")
    if spec.combine == MEAN and not all(part.weight > 0.0 for part in read.values()):
        raise ValueError("weighted by 'mean' needs weights above 0")
    return WeightedReward(read, spec.combine)


def read_part(name: str, given: Any, verifier: Verifier) -> Part:
    """A part of the sum."""
    if not isinstance(given, Mapping):
        raise ValueError(f"the part {name!r} is a mapping with a weight, not {given!r}")
    for key in given:
        if key not in KEYS:
            raise ValueError(unknown(f"key of the part {name!r}", str(key), KEYS))
    weight, kind = given.get("weight"), str(given.get("kind", "questions"))
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or weight == 0:
        raise ValueError(f"the part {name!r} needs a weight, a number other than 0, not {weight!r}")
    if kind == "weighted":
        raise ValueError(f"the part {name!r} is a sum itself; name its parts instead")
    module = find_module("reward", kind, REWARDS)
    chosen = {key: given[key] for key in ("reading", "combine", "options") if key in given}
    own = verifier.of(name) if isinstance(verifier, Several) else verifier
    groups = (kind,) if kind in OWN else tuple(map(str, given.get("groups", ())))
    stand_in = str(own.record.get("stand_in") or "") if isinstance(verifier, Several) else ""
    return Part(float(weight), kind, groups, module.build(replace(module.SPEC, **chosen), own), stand_in)
