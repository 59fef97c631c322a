"""Asks a verifier what is known, and makes the report of `harness calibrate`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.agreement import pairwise_accuracy
from harness.assemble import build_reward
from harness.calibration import FIGURES, Answers, answers_of, figure, moved, ranks, reliability
from harness.disturbance import DISTURBANCES
from harness.ending import Unfit
from harness.known import Known, KnownSet, known_scenes
from reward.options import Options
from reward.reading import READINGS, read
from reward.verdict import Verdict
from reward.verifier import Query, Verifier
from tasks.sample import Generation, Question, Response

ABSTAIN_BELOW = Options().abstain_below
"""Mass of yes and no below which an answer counts as none, as the rewards have it."""
AT_ONCE = 512
"""Questions of one call."""
FITTING = 20
"""Scenes of the short examination that training may ask for."""
VERSION = 1
"""Edition of the report and of the set of scenes."""


def ask(verifier: Verifier, known: KnownSet, asked: Sequence[Known], attempt: int) -> list[Verdict]:
    """One verdict a question; the attempt keeps a second asking out of the cache."""
    if known.task is not None:
        return judge(verifier, known, asked)
    found: list[Verdict] = []
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        replies = verifier.ask([Query((one.image,), one.text, attempt=attempt) for one in some])
        for one, reply in zip(some, replies, strict=True):
            found.append(read(READINGS["share"], reply, Question("known", one.text), ABSTAIN_BELOW, binary=False))
    return found


def judge(verifier: Verifier, known: KnownSet, asked: Sequence[Known]) -> list[Verdict]:
    """One verdict a picture, the score that the task's own reward gives it."""
    assert known.task is not None  # noqa: S101 - `ask` has seen to it
    samples = {one.id: one for one in known.task.samples}
    reward = build_reward(known.task, verifier)
    generations = [Generation(samples[one.text], 0, Response(one.image)) for one in asked]
    return [Verdict("whole", one.value, status=one.status, error=one.error) for one in reward.score(generations)]


def examine(
    verifier: Verifier, known: KnownSet, names: Sequence[str] = ()
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The report, and a row for every question that was asked."""
    start = time.perf_counter()
    verdicts = ask(verifier, known, known.asked, 0)
    rows = [row_of(one, verdict, "") for one, verdict in zip(known.asked, verdicts, strict=True)]
    values = [one.value for one in verdicts]
    changes = {}
    for turn, name in enumerate(names, start=1):
        disturbed = DISTURBANCES[name](list(enumerate(known.asked)))
        again = ask(verifier, known, [one for _, one in disturbed], turn)
        placed = dict(zip((place for place, _ in disturbed), again, strict=True))
        after = [placed[place] for place in range(len(known.asked))]
        rows += [row_of(one, verdict, name) for one, verdict in zip(known.asked, after, strict=True)]
        changes[name] = changed(known, values, [one.value for one in after])
    report = {
        "schema_version": VERSION,
        "verifier": {"id": verifier.id, **verifier.record},
        "against": known.name,
        "rated": known.rated,
        "pictures": len({one.picture for one in known.asked}),
        "asked": len(known.asked),
        "answered": sum(value is not None for value in values),
        "by_status": dict(sorted(Counter(one.status for one in verdicts).items())),
        "abstained": sum(value is None for value in values) / len(values),
        **measured(known, values),
        "sensitivity": changes,
        "seconds": round(time.perf_counter() - start, 3),
    }
    return report, rows


def row_of(one: Known, verdict: Verdict, change: str) -> dict[str, Any]:
    """One answer as a line."""
    asked = {"picture": one.picture, "tag": one.tag, "question": one.text, "truth": one.truth}
    told = {"value": verdict.value, "status": verdict.status, "answer": verdict.answer[:200]}
    return {**asked, "change": change or None, **told, "error": verdict.error or None}


def is_right(value: float | None, truth: float) -> bool:
    """Whether there is an answer, and on the true side of one half."""
    return value is not None and (value >= 0.5) == (truth >= 0.5)


def measured(known: KnownSet, values: Sequence[float | None]) -> dict[str, Any]:
    """All figures, and those of every tag."""
    truths, pictures = [one.truth for one in known.asked], [one.picture for one in known.asked]
    answers = answers_of(values, truths, pictures)
    if known.rated:
        figures = {**ranks(answers), "pairwise": pairwise(answers)}
        return {"right": None, "figures": figures, "tags": {}, "bins": []}
    right = sum(
        value is not None and (value >= 0.5) == (truth >= 0.5) for value, truth in zip(values, truths, strict=True)
    )
    tags = {}
    for tag in sorted({one.tag for one in known.asked}):
        mine = [place for place, one in enumerate(known.asked) if one.tag == tag]
        some = answers_of([values[one] for one in mine], [truths[one] for one in mine], [pictures[one] for one in mine])
        own = {name: figure(name, some) for name in ("accuracy", "auc")}
        tags[tag] = {"asked": len(mine), "answered": len(some.values), **own}
    figures = {name: figure(name, answers) for name in FIGURES}
    return {
        "right": right / len(values),
        "figures": {**figures, **ranks(answers)},
        "tags": tags,
        "bins": reliability(answers),
    }


def pairwise(answers: Answers) -> dict[str, Any]:
    """Pairwise accuracy with its threshold of a tie; it has no interval, whose pairs would be too many."""
    found = pairwise_accuracy(answers.values, answers.truths)
    if found is None:
        return {"value": None, "ci": None}
    return {"value": found.value, "ci": None, "threshold": found.threshold}


def changed(known: KnownSet, before: Sequence[float | None], after: Sequence[float | None]) -> dict[str, Any]:
    """How far answers move under a change, and what is then right."""
    pictures, truths = [one.picture for one in known.asked], [one.truth for one in known.asked]
    found = moved(before, after, pictures)
    if known.rated:
        return found
    return {**found, "accuracy": figure("accuracy", answers_of(after, truths, pictures))}


def require_fit(verifier: Verifier, floor: float) -> None:
    """Unfit where a verifier answers too few questions about rendered scenes rightly; one unanswered is not right."""
    known = known_scenes(FITTING, 0)
    verdicts = ask(verifier, known, known.asked, 0)
    right = sum(is_right(one.value, asked.truth) for one, asked in zip(verdicts, known.asked, strict=True))
    if right < floor * len(verdicts):
        raise Unfit(
            f"the verifier {verifier.id} answers {right} of {len(verdicts)} questions about rendered scenes rightly, "
            f"below the floor of {floor:.0%}; `harness calibrate` tells which"
        )


def report_lines(report: Mapping[str, Any], folder: Path) -> list[str]:
    """The report as text."""
    lines = [
        f"{report['verifier']['id']} against {report['against']}: {report['answered']} of {report['asked']} answered, "
        f"{report['pictures']} pictures, {report['seconds']:.1f} s"
    ]
    lines += [f"  {name:10} {shown(one)}" for name, one in report["figures"].items()]
    for tag, one in report["tags"].items():
        lines.append(f"  {tag or '-':12} accuracy {shown(one['accuracy'])}  auc {shown(one['auc'])}  "
                     f"({one['answered']} of {one['asked']})")  # fmt: skip
    for name, one in report["sensitivity"].items():
        mean = "-" if one["moved"] is None else f"{one['moved']:.4f}"
        right = f", accuracy {shown(one['accuracy'])}" if "accuracy" in one else ""
        lines.append(f"  {name:12} changes sides {shown(one['flipped'])}, moves {mean}, {one['lost']} lost{right}")
    return [*lines, f"report: {folder}"]


def shown(one: Mapping[str, Any]) -> str:
    """A figure with its interval."""
    if one["value"] is None:
        return "-"
    if one["ci"] is None:
        return f"{one['value']:.3f}"
    return f"{one['value']:.3f} [{one['ci']['low']:.3f}, {one['ci']['high']:.3f}]"
