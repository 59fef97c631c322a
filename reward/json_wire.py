"""Several questions about the same pictures in one call, answered in JSON and matched by id (harness.md 5.2)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reward.chat_wire import ChatWire, hard
from reward.encoding import Encoded
from reward.verifier import Query, Reply

FENCE = re.compile(r"^\s*```[a-zA-Z]*\s*\n?(.*?)\n?\s*```\s*$", re.DOTALL)
ROOM = 24
"""Tokens that one answer takes in the JSON, id and quotation marks included."""
log = logging.getLogger("harness")


@dataclass(frozen=True, slots=True)
class JsonWire:
    """Asks through a chat wire in text mode; a query that is alone, or wants free text, goes the ordinary way."""

    chat: ChatWire
    most: int = 32
    """Questions of one call"""
    path: str = "chat/completions"

    def parcels(self, queries: Sequence[Query]) -> list[list[int]]:
        """Consecutive questions about the same pictures."""
        found: list[list[int]] = []
        for place, query in enumerate(queries):
            last = found[-1] if found else []
            if last and len(last) < self.most and _together(queries[last[0]], query):
                last.append(place)
            else:
                found.append([place])
        return found

    def body(self, queries: Sequence[Query], pictures: Mapping[int, Encoded]) -> bytes:
        """One request for the whole parcel."""
        return self.chat.body([queries[0] if len(queries) == 1 else combined(queries)], pictures)

    def read(self, content: Any, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query; an id that is absent, doubled or unreadable fails alone."""
        if len(queries) == 1:
            return self.chat.read(content, queries)
        (whole,) = self.chat.read(content, [combined(queries)])
        if whole.status != "ok":
            return [replace(whole, tokens_in=0, tokens_out=0) if place else whole for place in range(len(queries))]
        answers = answers_in(whole.text)
        if answers is None:
            told = f"the answer is no JSON object: {whole.text[:80]!r}"
            failed = replace(whole, status="parse_error", error=told)
            return [failed, *[replace(failed, tokens_in=0, tokens_out=0)] * (len(queries) - 1)]
        extra = sorted(set(answers) - {str(place) for place in range(len(queries))})
        if extra:
            log.warning("a verifier answered questions that were not asked: %s", ", ".join(extra[:5]))
        return [_one(query, str(place), answers, whole) for place, query in enumerate(queries)]


def _together(first: Query, other: Query) -> bool:
    same = [id(one) for one in first.images] == [id(one) for one in other.images]
    plain = all(one.answers and not one.earlier and not one.max_tokens for one in (first, other))
    return same and plain and (first.system, first.text_first) == (other.system, other.text_first)


def combined(queries: Sequence[Query]) -> Query:
    """All questions as one query in free text."""
    lines = [
        json.dumps({"id": str(place), "question": one.text, "answers": list(one.answers)}, ensure_ascii=False)
        for place, one in enumerate(queries)
    ]
    text = (
        "Answer each question about the picture with one of its answers.\n"
        + "\n".join(lines)
        + '\nReply with one JSON object that maps each id to its answer, such as {"0": "yes"}, and with nothing else.'
    )
    first = queries[0]
    return replace(first, text=text, answers=(), max_tokens=ROOM * len(queries))


def answers_in(text: str) -> dict[str, list[Any]] | None:
    """Every answer of each id; None when the text is no JSON object."""
    match = FENCE.match(text)
    found: dict[str, list[Any]] = {}

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, list[Any]]:
        mine: dict[str, list[Any]] = {}
        for name, value in pairs:
            mine.setdefault(name, []).append(value)
        return mine

    try:
        content = json.loads(match.group(1) if match else text, object_pairs_hook=gather)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    found.update(content)
    return found


def _one(query: Query, name: str, answers: Mapping[str, list[Any]], whole: Reply) -> Reply:
    said = answers.get(name, [])
    kept = whole if name == "0" else replace(whole, tokens_in=0, tokens_out=0)
    if len(said) != 1 or not isinstance(said[0], str):
        told = "no answer with its id" if not said else "two answers with its id" if len(said) > 1 else "no text"
        return replace(kept, status="parse_error", text=str(said)[:80], error=told)
    read = hard(query, said[0])
    return replace(kept, status=read.status, text=read.text, probabilities=read.probabilities, error=read.error)
