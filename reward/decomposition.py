"""Prompts into yes/no questions, by a language model: wordings, replies read strictly, lint (method.md 3.2).

Three calls a prompt: questions about what is asked for, with parents; which are valid, and their tags; questions about
quality. A reply that cannot be read is asked for again, and after the last attempt its prompt is a failure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reward.call import PROMPTS, read_template
from reward.json_wire import FENCE
from reward.verifier import Query, Reply, Verifier
from tasks.sample import Question

STEPS = ("semantic", "check", "quality")
ATTEMPTS = 3
"""Times that a reply which cannot be read is asked for."""
MOST = 40
"""Questions of one kind that a prompt may have."""
LONGEST = 400
"""Characters of one question."""
TOKENS = 2000
"""Tokens of a reply."""


SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "text": {"type": "string"},
                    "tag": {"type": "string"},
                    "needs": {"type": "array", "items": {"type": "string"}},
                    "valid": {"type": "boolean"},
                },
                "required": ["id", "text", "tag", "needs", "valid"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["questions"],
    "additionalProperties": False,
}
"""JSON Schema of a reply, for servers that hold a model to one; `read_reply` checks all replies alike."""


class Unusable(ValueError):
    """A reply that holds no questions in the form asked for."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A question as a model wrote it."""

    question: Question
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Decomposed:
    """The questions of one prompt, or why there are none."""

    questions: tuple[Question, ...] = ()
    dropped: tuple[str, ...] = ()
    """Texts of questions that were left out, each with the reason"""
    error: str = ""
    tokens: tuple[int, int] = (0, 0)


def wordings_hash() -> str:
    """SHA-256 of the three wordings."""
    return hashlib.sha256("\x00".join(read_template(template(step)) for step in STEPS).encode()).hexdigest()


def template(step: str) -> str:
    """The file of a step's wording."""
    name = f"decompose_{step}.txt"
    if not (PROMPTS / name).is_file():
        raise ValueError(f"there is no wording {name}")
    return name


def wording(step: str, prompt: str, questions: Sequence[Question] = ()) -> str:
    """The text of a step, filled in."""
    listed = "\n".join(json.dumps(written(one), ensure_ascii=False) for one in questions)
    before, _, after = read_template(template(step)).partition("{prompt}")
    return before + prompt + after.replace("{questions}", listed)


def written(question: Question) -> dict[str, Any]:
    """A question as a model is shown it."""
    return {"id": question.id, "text": question.text, "tag": question.tag, "needs": list(question.needs)}


def decompose(verifier: Verifier, prompt: str, quality: bool = True) -> Decomposed:
    """All steps for one prompt; a step that fails is the error of the whole."""
    spent = [0, 0]

    def step(name: str, asked: Sequence[Question]) -> list[Drafted]:
        return ask_step(verifier, name, prompt, asked, spent)

    try:
        drafted = [one.question for one in step("semantic", ())]
        checked = {one.question.id: one for one in step("check", drafted)}
        judged = [merged(one, checked.get(one.id)) for one in drafted]
        more = step("quality", [one.question for one in judged if one.valid]) if quality else []
    except Unusable as error:
        return Decomposed(error=str(error), tokens=(spent[0], spent[1]))
    kept, dropped = lint([*judged, *(replace(one, question=as_quality(one.question)) for one in more)])
    if not any(one.group == "semantic" for one in kept):
        return Decomposed(dropped=dropped, error="no valid question is left", tokens=(spent[0], spent[1]))
    return Decomposed(kept, dropped, tokens=(spent[0], spent[1]))


def as_quality(question: Question) -> Question:
    """A question of quality, with an id that no semantic question has."""
    return replace(question, id=f"quality-{question.id}", group="quality", needs=())


def merged(question: Question, checked: Drafted | None) -> Drafted:
    """A question with the tag and validity that the check gave it; one that the check left out stays as it was."""
    if checked is None:
        return Drafted(question)
    return Drafted(replace(question, tag=checked.question.tag or question.tag), checked.valid)


def ask_step(verifier: Verifier, name: str, prompt: str, asked: Sequence[Question], spent: list[int]) -> list[Drafted]:
    """The questions of one step; Unusable when no attempt gave any that can be read."""
    text, why = wording(name, prompt, asked), ""
    for attempt in range(ATTEMPTS):
        again = f"\n\nYour last reply could not be used: {why}" if why else ""
        (reply,) = verifier.ask([Query((), text + again, (), TOKENS, attempt=attempt)])
        spent[0] += reply.tokens_in
        spent[1] += reply.tokens_out
        try:
            return read_reply(reply)
        except Unusable as error:
            why = str(error)
        if reply.status not in ("ok", "parse_error"):
            break
    raise Unusable(f"{name}: {why}")


def read_reply(reply: Reply) -> list[Drafted]:
    """The questions in a reply; Unusable says what is wrong with it."""
    if reply.status != "ok":
        raise Unusable(f"{reply.status}: {reply.error}"[:300])
    match = FENCE.match(reply.text)
    try:
        content = json.loads(match.group(1) if match else reply.text)
    except (ValueError, RecursionError):
        raise Unusable(f"the reply is not JSON: {reply.text[:80]!r}") from None
    rows = content.get("questions") if isinstance(content, dict) else None
    if not isinstance(rows, list) or len(rows) > MOST:
        raise Unusable(f"the reply holds no list of at most {MOST} questions")
    found = [read_row(row) for row in rows]
    names = [one.question.id for one in found]
    if len(set(names)) < len(names):
        raise Unusable("two questions have one id")
    return found


def read_row(row: Any) -> Drafted:
    """One question."""
    if not isinstance(row, Mapping) or not isinstance(row.get("text"), str) or not row["text"].strip():
        raise Unusable(f"a question without text: {str(row)[:80]}")
    needs = row.get("needs") or []
    if not isinstance(needs, list) or not isinstance(row.get("id"), str | int) or len(row["text"]) > LONGEST:
        raise Unusable(f"a question without id, or too long, or with parents that are no list: {str(row)[:80]}")
    text, tag = " ".join(row["text"].split()), str(row.get("tag") or "other").strip().lower()[:40]
    question = Question(str(row["id"])[:40], text, tag=tag, needs=tuple(str(one)[:40] for one in needs))
    return Drafted(question, row.get("valid") is not False)


def lint(drafted: Sequence[Drafted]) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """What is kept and what was dropped: invalid and repeated questions. A parent must come before its children, so
    parents that are gone and circles of parents are none."""
    dropped: list[str] = []
    texts: dict[str, str] = {}
    same: dict[str, str] = {}
    kept: list[Question] = []
    for one in drafted:
        text = one.question.text.lower().rstrip(" ?.!")
        if not one.valid:
            dropped.append(f"{one.question.text} (invalid)")
        elif text in texts:
            same[one.question.id] = texts[text]
            dropped.append(f"{one.question.text} (repeated)")
        else:
            texts[text] = one.question.id
            kept.append(one.question)
    found: list[Question] = []
    for question in kept:
        before = {other.id for other in found}
        parents = dict.fromkeys(same.get(parent, parent) for parent in question.needs)
        found.append(replace(question, needs=tuple(parent for parent in parents if parent in before)))
    return tuple(found), tuple(dropped)
