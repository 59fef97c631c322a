"""What a report shows of each picture: its questions with p(yes), verdict and answer, the thought and the drafts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.record import Key
from harness.stored_run import StoredRun
from harness.summary import planned_rows

Record = dict[str, Any]
Questions = Mapping[str, Mapping[str, Mapping[str, Any]]]
HALF = 0.5
"""A question is met from here on, on the scale of its own answers."""
LONGEST = 200
"""Characters of a prompt that the list of all pictures holds, to be searched."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One place of the plan, with what one run or two have made of it."""

    key: Key
    prompt: str
    tags: tuple[str, ...]
    sources: tuple[str, ...]
    sides: tuple[Record, ...]
    kinds: frozenset[str]
    """The kinds of questions that a side has failed"""
    flip: tuple[int, int, float]
    """Questions gained and lost from the first run to the second, and the change of the score; nothing for one run"""


def exhibits(runs: Sequence[StoredRun]) -> list[Exhibit]:
    """Every picture in the plan's order; of two runs those in which most has turned come first."""
    asked = [one.questions() for one in runs]
    sides = [dict(sides_of(one, questions)) for one, questions in zip(runs, asked, strict=True)]
    rows = [
        {(row["sample"], row["index"]): row for row in planned_rows(one.run, list(one.rows().values()))} for one in runs
    ]
    keys = list(dict.fromkeys(key for some in rows for key in some))
    found = [exhibit(key, rows, sides) for key in keys]
    return sorted(found, key=turned) if len(runs) > 1 else found


def exhibit(
    key: Key, rows: Sequence[Mapping[Key, Mapping[str, Any]]], sides: Sequence[Mapping[Key, Record]]
) -> Exhibit:
    """One place of the plan; a run that did not plan it has an empty side."""
    row = next(some[key] for some in rows if key in some)
    found = tuple(some.get(key, {"status": "not planned", "questions": []}) for some in sides)
    failed = frozenset(
        one["kind"] for side in found for one in side["questions"] if one["value"] is not None and one["value"] < HALF
    )
    return Exhibit(
        key, row.get("prompt", ""), tuple(row["tags"]), tuple(row.get("sources", ())), found, failed, flips(found)
    )  # fmt: skip


def turned(one: Exhibit) -> tuple[int, float]:
    """What pictures of two runs are sorted by: questions that turned, then how far the score moved."""
    return -(one.flip[0] + one.flip[1]), -abs(one.flip[2])


def flips(sides: Sequence[Record]) -> tuple[int, int, float]:
    """Questions gained, questions lost and the change of the score, of what both sides have."""
    if len(sides) < 2:
        return 0, 0, 0.0
    before, after = ({one["id"]: one["value"] for one in side["questions"]} for side in sides)
    both = [(before[name], after[name]) for name in before if after.get(name) is not None and before[name] is not None]
    scores = [side.get("score") for side in sides]
    moved = float(scores[1] - scores[0]) if None not in scores else 0.0  # type: ignore[operator]
    gained = sum(one < HALF <= other for one, other in both)
    return gained, sum(other < HALF <= one for one, other in both), moved


def sides_of(run: StoredRun, asked: Questions) -> Iterator[tuple[Key, Record]]:
    """What a run has made of each place of its plan."""
    verdicts: dict[Key, list[Record]] = {}
    for (sample, index, name), verdict in run.verdicts().items():
        verdicts.setdefault((sample, index), []).append(question(name, verdict, asked.get(sample, {}).get(name, {})))
    for row in planned_rows(run.run, list(run.rows().values())):
        key = (row["sample"], row["index"])
        error = row.get("error") or {}
        yield (
            key,
            {
                "status": row["status"],
                "error": error.get("message", ""),
                "score": row["score"],
                "parts": row["parts"],
                "image": row["image"]["sha256"] if row["image"] else None,
                "size": [row["image"]["width"], row["image"]["height"]] if row["image"] else None,
                "seed": row.get("seed"),
                "thought": row.get("thought", ""),
                "drafts": [[draft["image"], draft["reflection"]] for draft in row.get("drafts", ())],
                "questions": verdicts.get(key, []),
            },
        )


def question(name: str, row: Mapping[str, Any], asked: Mapping[str, Any]) -> Record:
    """One question with what was answered."""
    return {
        "id": name,
        "text": asked.get("text", name),
        "kind": kind(name, row["group"], asked.get("tag", "")),
        "needs": list(asked.get("needs", ())),
        "p": belief(row["probabilities"]),
        "value": row["value"],
        "answer": row["answer"],
        "status": row["status"],
        "error": row["error"] or "",
    }


def kind(name: str, group: str, tag: str) -> str:
    """`semantic: Count`: what questions of different prompts have in common."""
    return f"{group}: {tag or name}"


def belief(probabilities: Mapping[str, float] | None) -> float | None:
    """p(yes) as a share of yes and no; None where the verifier gave no such probabilities."""
    if not probabilities:
        return None
    mass = {"yes": 0.0, "no": 0.0}
    for token, p in probabilities.items():
        word = token.strip().casefold()
        if word in mass:
            mass[word] += p
    both = mass["yes"] + mass["no"]
    return mass["yes"] / both if both > 0.0 else None
