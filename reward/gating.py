"""Dependency gating: what the answer to a parent does to its children.

The verdicts that come out hold the values a score is made of. The reply of a gated question stays beside its value,
so what the verifier said is not lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from reward.verdict import Verdict
from tasks.sample import Question


def failed(verdict: Verdict) -> bool:
    """Whether a question was answered and the answer is no."""
    return verdict.value is not None and verdict.value < 0.5


def parents(questions: Sequence[Question]) -> list[tuple[int, ...]]:
    """Places of the parents of each question; itself and ids that do not exist are left out (DSG's data has both)."""
    places = {question.id: place for place, question in enumerate(questions)}
    return [
        tuple(places[one] for one in question.needs if one in places and one != question.id) for question in questions
    ]


def ancestors(questions: Sequence[Question]) -> list[tuple[int, ...]]:
    """Places of all that stand above each question, nearest first, itself left out."""
    direct = parents(questions)
    found = []
    for place in range(len(questions)):
        above = list(direct[place])
        for one in above:  # grows while it is walked
            above.extend(next_up for next_up in direct[one] if next_up not in above and next_up != place)
        found.append(tuple(above))
    return found


def under(verdict: Verdict, above: Sequence[Verdict]) -> Verdict:
    """A verdict below others: 0 when one of them failed, unanswered when one of them is."""
    if any(failed(one) for one in above):
        return replace(verdict, value=0.0, status="ok", error="")
    missing = next((one for one in above if one.value is None), None)
    if missing is None or (verdict.value is None and verdict.status != "skipped"):
        return verdict
    return replace(verdict, value=None, status="skipped", error=f"its parent {missing.question!r} is unanswered")


def off(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> list[Verdict]:  # noqa: ARG001 - one signature
    """Every question stands alone."""
    return list(verdicts)


def dsg(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Any ancestor below .5 makes 0, an unanswered one leaves it unanswered (method.md 3.4)."""
    return _by_own_answers(verdicts, ancestors(questions))


def direct(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The direct parents' own answers count, not what gating made of them (DSG, benchmarks.md 5)."""
    return _by_own_answers(verdicts, parents(questions))


def cascade(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """In file order, each question looks at its parents' values at that moment (DPG-Bench, benchmarks.md 4)."""
    now = list(verdicts)
    for place, above in enumerate(parents(questions)):
        now[place] = under(now[place], [now[one] for one in above])
    return now


def _by_own_answers(verdicts: Sequence[Verdict], above: Sequence[Sequence[int]]) -> list[Verdict]:
    return [under(verdict, [verdicts[one] for one in places]) for verdict, places in zip(verdicts, above, strict=True)]


Gating = Callable[[Sequence[Question], Sequence[Verdict]], list[Verdict]]
GATINGS: Mapping[str, Gating] = {"off": off, "dsg": dsg, "direct": direct, "cascade": cascade}
"""What a failed parent does, by name."""
