"""A judge for tests: answers from a script, by the first entry whose words occur in what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reward.verifier import Query, Reply


class ScriptedJudge:
    """Replies are texts or whole replies; of a list the next one is given each time."""

    def __init__(self, script: Mapping[str, str | Reply | list[str]]) -> None:
        self.id, self.script = "scripted", {key: _listed(value) for key, value in script.items()}
        self.record: Mapping[str, Any] = {"name": "scripted"}
        self.queries: list[Query] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        self.queries.append(query)
        for words, replies in self.script.items():
            if words in query.text:
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                return reply if isinstance(reply, Reply) else Reply("ok", reply, tokens_out=3)
        return Reply("transport_error", error=f"nothing is said about {query.text!r}")


def _listed(value: str | Reply | list[str]) -> list[str | Reply]:
    return [*value] if isinstance(value, list) else [value]
