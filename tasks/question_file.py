"""questions: samples and questions of one's own in a JSONL file, or records in AlphaGRPO's form; no Python needed.

Our form: a first line about the task, then a sample a line. AlphaGRPO's: records with `semantic_questions` and
`quality_questions`. There are no figures to reproduce: the questions are the user's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.registry import unknown
from tasks.sample import YES, Question, Request, Sample
from tasks.task import RewardSpec, Task

Shape = tuple[Any, str]
Shapes = Mapping[str, Shape]
TEXT, NUMBER, LIST, OBJECT = (str, "a text"), (int, "a whole number"), (list, "a list"), (Mapping, "an object")
NAME: Shape = ((str, int), "a text or a whole number")
HEAD: Shapes = {
    "task": TEXT,
    "version": NAME,
    "licence": TEXT,
    "citation": TEXT,
    "images": NUMBER,
    "headline": TEXT,
    "reward": OBJECT,
}
REWARD: Shapes = {"kind": TEXT, "reading": TEXT, "combine": TEXT, "verifier": TEXT, "options": OBJECT}
SAMPLE: Shapes = {"id": NAME, "prompt": TEXT, "sources": LIST, "tags": LIST, "questions": LIST, "reference": OBJECT}
QUESTION: Shapes = {"id": NAME, "text": TEXT, "worth": OBJECT, "group": TEXT, "tag": TEXT, "needs": LIST}
RECORD: Shapes = {"prompt": TEXT, "original_index": NAME, "semantic_questions": LIST, "quality_questions": LIST}
RECORD_QUESTION: Shapes = {
    "question_type": TEXT,
    "question": TEXT,
    "tag": TEXT,
    "is_valid": (bool, "true or false"),
    "id": NAME,
    "parents": LIST,
}
"""The keys of each kind of object, and what stands under them."""
LARGEST = 10_000_000
"""Bytes of the longest line."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which file."""

    path: Path
    """A JSONL file of samples with their questions"""


def load(arguments: Arguments) -> Task:
    """The task; ValueError names the line that is wrong, and how."""
    path = arguments.path
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise ValueError(f"the question file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"the question file {path} is not UTF-8: {error}") from None
    rows = [(f"line {number} of {path}", parsed(line, f"line {number} of {path}"))
            for number, line in enumerate(lines, start=1) if line.strip()]  # fmt: skip
    head = rows.pop(0)[1] if rows and "task" in rows[0][1] else {}
    check_keys(f"the first line of {path}", head, HEAD)
    if not rows:
        raise ValueError(f"the question file {path} holds no samples")
    samples = tuple(sample_of(place, row, str(number)) for number, (place, row) in enumerate(rows, start=1))
    return Task(
        name=str(head.get("task", path.stem)),
        version=str(head.get("version", "1")),
        split=path.stem,
        samples=samples,
        reward=reward_of(head.get("reward", {}), f"the reward in {path}"),
        headline={"score": "mean"}.get(head.get("headline", "score"), head.get("headline", "mean")),
        images=int(head.get("images", 1)),
        licence=str(head.get("licence", "")),
        citation=str(head.get("citation", "")),
        files={path.name: hashlib.sha256(content).hexdigest()},
    )


def parsed(line: str, place: str) -> dict[str, Any]:
    """A line's JSON object."""
    if len(line) > LARGEST:
        raise ValueError(f"{place} is longer than {LARGEST // 1_000_000} MB")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"{place} is no JSON object")
    return row


def check_keys(place: str, row: Mapping[str, Any], known: Shapes) -> None:
    """ValueError names a key that does not exist, or holds something of another kind."""
    for key, value in row.items():
        if key not in known:
            raise ValueError(f"{place}: {unknown('key', str(key), known)}")
        kind, words = known[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{place}: {key} is {words}, not {str(value)[:60]!r}")


def reward_of(given: Mapping[str, Any], place: str) -> RewardSpec:
    """The reward that a file asks for."""
    check_keys(place, given, REWARD)
    return RewardSpec(**{"verifier": "http", **given})


def sample_of(place: str, row: Mapping[str, Any], number: str) -> Sample:
    """A line in either form; ValueError says what is wrong with it."""
    if not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
        raise ValueError(f"{place} has no prompt")
    tags: tuple[str, ...] = ()
    if "semantic_questions" in row or "quality_questions" in row:
        check_keys(place, row, RECORD)
        questions = [*recorded(place, row, "semantic"), *recorded(place, row, "quality")]
        name, reference = str(row.get("original_index", number)), {}
    else:
        check_keys(place, row, SAMPLE)
        if row.get("sources"):
            raise ValueError(f"{place} has sources, which a question file cannot hold yet: write a task in Python")
        questions = [own(place, one) for one in objects(place, row.get("questions", ()))]
        name, reference = str(row.get("id", number)), row.get("reference", {})
        tags = names(place, row, "tags")
    if not questions:
        raise ValueError(f"{place} has no question")
    check_parents(place, questions)
    return Sample(name, Request(row["prompt"]), tuple(questions), tags, reference)


def own(place: str, row: Mapping[str, Any]) -> Question:
    """A question in our form."""
    check_keys(place, row, QUESTION)
    if "id" not in row or not row.get("text"):
        raise ValueError(f"{place} has a question without id or text")
    worth = row.get("worth", YES)
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in worth.values()):
        raise ValueError(f"{place}: the worth of question {row['id']!r} is no mapping from answers to numbers")
    return Question(
        str(row["id"]), row["text"], worth, row.get("group", "semantic"), row.get("tag", ""),
        names(place, row, "needs"),
    )  # fmt: skip


def recorded(place: str, row: Mapping[str, Any], group: str) -> list[Question]:
    """The questions of one kind in AlphaGRPO's form, plain texts included; those marked invalid are left out."""
    found = []
    for number, one in enumerate(row.get(f"{group}_questions", ()), start=1):
        told = {"question": one} if isinstance(one, str) else objects(place, [one])[0]
        check_keys(place, told, RECORD_QUESTION)
        if not told.get("question"):
            raise ValueError(f"{place} has a {group} question without text")
        if told.get("is_valid", True):
            name = str(told.get("id", f"{group[0]}{number}"))
            needs = names(place, told, "parents")
            found.append(Question(name, told["question"], YES, group, told.get("tag", ""), needs))
    return found


def objects(place: str, given: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The entries of a list of objects."""
    for one in given:
        if not isinstance(one, Mapping):
            raise ValueError(f"{place}: the question {str(one)[:60]!r} is no object")
    return list(given)


def names(place: str, row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The entries of a list of names."""
    for one in row.get(key, ()):
        if not isinstance(one, str | int) or isinstance(one, bool):
            raise ValueError(f"{place}: {key} holds {str(one)[:60]!r}, which is no name")
    return tuple(map(str, row.get(key, ())))


def check_parents(place: str, questions: Sequence[Question]) -> None:
    """ValueError for a parent that does not exist, or that stands above itself."""
    needs = {one.id: one.needs for one in questions}
    for one in questions:
        above, seen = list(one.needs), set()
        while above:
            parent = above.pop()
            if parent not in needs:
                raise ValueError(f"{place}: question {one.id!r} needs {parent!r}, which does not exist")
            if parent == one.id:
                raise ValueError(f"{place}: question {one.id!r} stands above itself")
            if parent not in seen:
                seen.add(parent)
                above.extend(needs[parent])
