"""Reading a reply: a verifier's text or probabilities become the value of one question, or the reason for none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from reward.verdict import Verdict
from reward.verifier import Reply
from tasks.sample import Question

PUNCTUATION = str.maketrans("", "", ".,?!")
ROUNDING = 0.01
"""Log-probabilities computed in half precision may sum to this much more than 1."""


def normalise(token: str) -> str:
    """Lower case, without white space around and without . , ? ! (method.md 3.3)."""
    return token.lower().translate(PUNCTUATION).strip()


def answer_values(question: Question) -> dict[str, float]:
    """The value of each wanted answer; a yes or no that `worth` leaves out is worth nothing."""
    worth = {normalise(answer): value for answer, value in question.worth.items()}
    return {"yes": 0.0, "no": 0.0} | worth if worth.keys() <= {"yes", "no"} else worth


def masses(reply: Reply) -> dict[str, float]:
    """Probability of each normalised answer; spellings of one answer are added."""
    found: dict[str, float] = {}
    for token, probability in reply.probabilities.items():
        answer = normalise(token)
        found[answer] = found.get(answer, 0.0) + probability
    return found


def share(reply: Reply, question: Question, abstain_below: float) -> Verdict:
    """Worth over the mass of the wanted answers, yes / (yes + no); no value below `abstain_below` (method.md 3.3)."""
    values = answer_values(question)
    if len(values) < 2:
        raise ValueError(
            f"question {question.id!r} accepts only {next(iter(values), None)!r}, and a share needs an alternative: "
            "give another answer the worth 0, or read it as 'mass' or 'exact'"
        )
    found = masses(reply)
    wanted = {answer: found.get(answer, 0.0) for answer in values}
    total = math.fsum(wanted.values())
    if total < abstain_below or total == 0.0:
        return _unread(reply, question, f"no {'/'.join(values)} mass: {total:.4f} of at least {abstain_below:g}")
    return _read(reply, question, math.fsum(values[answer] * wanted[answer] / total for answer in values))


def mass(reply: Reply, question: Question, abstain_below: float) -> Verdict:  # noqa: ARG001 - one signature for all
    """Worth of the accepted answers by their raw mass, not renormalised (Soft-TIFA of GenEval 2)."""
    if not reply.probabilities:
        return _unread(reply, question, "the verifier gave no probabilities")
    found = masses(reply)
    value = math.fsum(value * found.get(answer, 0.0) for answer, value in answer_values(question).items())
    return _read(reply, question, value)


def forms(reply: Reply, question: Question, abstain_below: float) -> Verdict:  # noqa: ARG001 - one signature for all
    """Worth of tokens that are exactly one of the accepted forms, case and space included, each token once."""
    if not reply.probabilities:
        return _unread(reply, question, "the verifier gave no probabilities")
    value = math.fsum(value * reply.probabilities.get(form, 0.0) for form, value in question.worth.items())
    return _read(reply, question, value)


def exact(reply: Reply, question: Question, abstain_below: float) -> Verdict:  # noqa: ARG001 - one signature for all
    """The worth of the answer that the whole text spells; any other text is not an answer (DSG)."""
    values = answer_values(question)
    said = normalise(reply.text)
    if said not in values:
        return _unread(reply, question, f"the answer {reply.text[:80]!r} is none of: {', '.join(values)}")
    return _read(reply, question, values[said])


def bare_yes(reply: Reply, question: Question, abstain_below: float) -> Verdict:
    """`exact`, but every answer that is not written exactly `Yes` is worth nothing (OneIG-Bench as released)."""
    verdict = exact(reply, question, abstain_below)
    if verdict.value is None or reply.text == "Yes":
        return verdict
    return replace(verdict, value=0.0)


def cosine(reply: Reply, question: Question, abstain_below: float) -> Verdict:  # noqa: ARG001 - one signature for all
    """The number that the whole text is, from -1 to 1; below 0 it is worth nothing (scorers by likeness)."""
    try:
        number = float(reply.text)
    except ValueError:
        number = math.nan
    if not -1.0 - ROUNDING <= number <= 1.0 + ROUNDING:
        return _unread(reply, question, f"the answer {reply.text[:80]!r} is no number from -1 to 1")
    return _read(reply, question, max(number, 0.0))


Reading = Callable[[Reply, Question, float], Verdict]
READINGS: Mapping[str, Reading] = {
    "share": share,
    "mass": mass,
    "forms": forms,
    "exact": exact,
    "bare yes": bare_yes,
    "cosine": cosine,
}
"""How a reply becomes a value, by name."""


def read(reading: Reading, reply: Reply, question: Question, abstain_below: float, binary: bool) -> Verdict:
    """The verdict of a reply; a failed reply and impossible probabilities have none."""
    if reply.status != "ok":
        return Verdict(question.id, None, reply.text, reply.status, reply.error, reply)
    if not _possible(reply):
        return _unread(reply, question, f"impossible probabilities: {dict(reply.probabilities)}"[:300])
    verdict = reading(reply, question, abstain_below)
    if not binary or verdict.value is None:
        return verdict
    return replace(verdict, value=harden(verdict.value))


def harden(value: float) -> float:
    """1 from .5 on, else 0 (the binary option of method.md 3.3)."""
    return 1.0 if value >= 0.5 else 0.0


def _possible(reply: Reply) -> bool:
    probabilities = reply.probabilities.values()
    # written so that NaN, which compares false, is impossible too
    return all(0.0 <= one <= 1.0 + ROUNDING for one in probabilities) and math.fsum(probabilities) <= 1.0 + ROUNDING


def _read(reply: Reply, question: Question, value: float) -> Verdict:
    top = max((1.0, *question.worth.values()))
    return Verdict(question.id, min(value, top), reply.text, reply=reply)


def _unread(reply: Reply, question: Question, reason: str) -> Verdict:
    return Verdict(question.id, None, reply.text, "parse_error", reason, reply)
