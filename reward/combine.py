"""Combining the verdicts of one image into its score.

A combination sorts the questions into classes (groups, tags, or all together), makes one value within each class and
one across the classes. A class has a value when at least `min_answered` of its questions are answered, and that value
is over the answered ones; if any class has none, the image is unscored. A class without questions does not exist, so
it drops out. Missing is never zero (method.md 3.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from reward.gating import failed
from reward.options import Options
from reward.reading import harden
from reward.verdict import Verdict
from tasks.sample import Question

Parts = dict[str, float | None]
Key = Callable[[Question], str]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A value and its weight."""

    value: float
    weight: float = 1.0


Joining = Callable[[Sequence[Weighted]], float]


def mean(values: Sequence[Weighted]) -> float:
    """Sum of weight times value over sum of weights."""
    return fmean([one.value for one in values], [one.weight for one in values])


def geometric_mean(values: Sequence[Weighted]) -> float:
    """Geometric mean; each factor's root is taken first, so that many small ones do not vanish."""
    total = math.fsum(one.weight for one in values)
    return math.prod(sorted(math.pow(one.value, one.weight / total) for one in values))


def product(values: Sequence[Weighted]) -> float:
    """All values multiplied; weights play no part."""
    return math.prod(one.value for one in values)


def minimum(values: Sequence[Weighted]) -> float:
    """The worst value."""
    return min(one.value for one in values)


def every(values: Sequence[Weighted]) -> float:
    """1 when every value is at least .5, else 0."""
    return harden(minimum(values))


def half_worst(values: Sequence[Weighted]) -> float:
    """Half the mean, half the worst."""
    return 0.5 * mean(values) + 0.5 * minimum(values)


def group(question: Question) -> str:
    """Semantic, quality, or whatever the task calls it."""
    return question.group


def tag(question: Question) -> str:
    """What kind of thing is asked."""
    return question.tag


def together(question: Question) -> str:  # noqa: ARG001 - one signature for all keys
    """One class for all questions."""
    return ""


NEVER_COMPLETE = "never complete"
"""Tag of a mark whose image cannot be complete by an old rule (RISEBench before 2026-04-23)."""
Finish = Callable[[float, Sequence[Question], Sequence[Verdict]], float]


def halve_failed_reasoning(value: float, questions: Sequence[Question], verdicts: Sequence[Verdict]) -> float:
    """S = max(S / 2, 1) where the reasoning mark is the lowest, on marks from 1 to 5 put on 0 to 1 (RISEBench)."""
    pairs = zip(questions, verdicts, strict=True)
    wrong = any(one.value == 0.0 for question, one in pairs if "reasoning" in question.group)
    return max(0.5 * value - 0.125, 0.0) if wrong else value


@dataclass(frozen=True, slots=True)
class Combine:
    """How values become one: `key` makes classes, `within` and `across` join them, `weighs` finds a weight by name."""

    key: Key
    within: Joining
    across: Joining
    weighs: Key | None = None
    hard: bool = False
    """Answers are 1 or 0 before they are joined."""
    gates: bool = False
    """A failed question with one of `gate_tags` makes 0."""
    complete: bool = False
    """Every question must be answered, whatever `min_answered` says."""
    finish: Finish | None = None
    """What is done to the score at the end."""
    perfection: bool = False
    """Whether `complete` is told: that every mark is the best there is."""


COMBINES: Mapping[str, Combine] = {
    "geometric": Combine(group, mean, geometric_mean),  # sqrt(v_sem v_qua), method.md 3.4, as the next six
    "mean": Combine(group, mean, mean),
    "pooled": Combine(together, mean, mean),
    "category_mean": Combine(tag, mean, mean),
    "category_worst": Combine(tag, mean, half_worst),
    "binary": Combine(group, mean, geometric_mean, hard=True),
    "gates": Combine(group, mean, geometric_mean, gates=True),
    "pooled_geometric": Combine(together, geometric_mean, mean),  # Soft-TIFA GM of GenEval 2
    "by_group": Combine(group, mean, mean, weighs=group),  # .7 main + .3 other details of T2I-ReasonBench
    "weighted": Combine(together, mean, mean, weighs=tag),  # sum(w s) / sum(w) of WISE and R2I-Bench
    "product": Combine(together, product, mean),  # attribute binding of T2I-CompBench
    "all": Combine(together, every, mean, complete=True),  # every clause must hold, GenEval
    "min": Combine(together, minimum, mean),
    "root_product": Combine(group, minimum, geometric_mean),  # sqrt(min SC * min PQ) of VIEScore
    "reasoning_first": Combine(  # .3 A + .5 R + .2 V of RISEBench
        group, mean, mean, weighs=group, finish=halve_failed_reasoning, perfection=True
    ),
}
"""How the values of an image become its score, by name."""


def classes_of(key: Key, questions: Sequence[Question]) -> dict[str, list[int]]:
    """Places of the questions of each class, classes in sorted order."""
    found: dict[str, list[int]] = {name: [] for name in sorted({key(question) for question in questions})}
    for place, question in enumerate(questions):
        found[key(question)].append(place)
    return found


def join(joining: Joining, values: Sequence[Weighted | None], min_answered: float) -> float | None:
    """One value from those that exist, or None when too few do."""
    found = [value for value in values if value is not None]
    enough = len(found) >= min_answered * len(values) - 1e-9
    return joining(found) if found and enough else None


def weight_of(combine: Combine, question: Question, options: Options) -> float:
    """The weight of a question or of its group; ValueError names one that is not in `weights`."""
    if combine.weighs is None:
        return 1.0
    name = combine.weighs(question)
    if name not in options.weights:
        known = ", ".join(sorted(options.weights)) or "none"
        raise ValueError(f"question {question.id!r} has no weight: {name!r} is not among the weights given ({known})")
    return options.weights[name]


def combined(
    combine: Combine, questions: Sequence[Question], verdicts: Sequence[Verdict], options: Options
) -> float | None:
    """The score of an image from its verdicts, None when it has none."""
    weights = [weight_of(combine, question, options) for question in questions]
    values = [weigh(verdict.value, weight, combine.hard) for verdict, weight in zip(verdicts, weights, strict=True)]
    least = 1.0 if combine.complete else options.min_answered
    classes: list[Weighted | None] = []
    for places in classes_of(combine.key, questions).values():
        counted = [place for place in places if weights[place] > 0.0]  # a weight of 0 takes a question out
        if counted:
            inside = join(combine.within, [values[place] for place in counted], least)
            classes.append(weigh(inside, weights[counted[0]]))
    if not classes:
        raise ValueError(f"no question has a weight above 0 among: {', '.join(one.id for one in questions)}")
    whole = join(combine.across, classes, 1.0)
    if combine.gates:
        return _gated(whole, questions, verdicts, options)
    return whole if whole is None or combine.finish is None else combine.finish(whole, questions, verdicts)


def weigh(value: float | None, weight: float, hard: bool = False) -> Weighted | None:
    """A value with its weight, hardened if so wanted; None stays None."""
    return None if value is None else Weighted(harden(value) if hard else value, weight)


def _gated(
    whole: float | None, questions: Sequence[Question], verdicts: Sequence[Verdict], options: Options
) -> float | None:
    """The score times 1[p >= .5] of each gate; unscored while a gate is unanswered (method.md 3.4)."""
    gates = [one for question, one in zip(questions, verdicts, strict=True) if question.tag in options.gate_tags]
    if whole is None or any(one.value is None for one in gates):
        return None
    return 0.0 if any(failed(one) for one in gates) else whole


def parts_of(combine: Combine, questions: Sequence[Question], verdicts: Sequence[Verdict], options: Options) -> Parts:
    """Each group's own figure by its name; `correct`, whether all but quality is good; `complete` where told."""
    parts: Parts = {}
    joining = combine.within if combine.key is group else mean
    for name, places in classes_of(group, questions).items():
        parts[name] = join(joining, [weigh(verdicts[place].value, 1.0) for place in places], options.min_answered)
    parts["correct"] = correct(questions, verdicts)
    if combine.perfection:
        parts["complete"] = complete(questions, verdicts)
    return parts


def complete(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> float | None:
    """1 if every mark is the best there is, 0 if one is not, None while one is missing."""
    if any(one.value is None for one in verdicts):
        return None
    barred = any(question.tag == NEVER_COMPLETE for question in questions)
    return float(not barred and all(one.value == 1.0 for one in verdicts))


def correct(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> float | None:
    """1 if every question but those about quality has a good answer, 0 if one has none, None while undecided."""
    asked = [one for question, one in zip(questions, verdicts, strict=True) if question.group != "quality"]
    if any(failed(one) for one in asked):
        return 0.0
    return 1.0 if asked and all(one.value is not None for one in asked) else None


def combine_verdicts(
    name: str, questions: Sequence[Question], verdicts: Sequence[Verdict], options: Options
) -> tuple[float | None, Parts]:
    """The score of an image and the figures beside it, from verdicts that are already gated."""
    combine = COMBINES[name]
    return combined(combine, questions, verdicts, options), parts_of(combine, questions, verdicts, options)
