"""The OpenAI chat protocol: one query a call, the picture first, one token with its log-probabilities back.

Bodies and replies are plain data here; connections, tries and pauses are in `reward/client.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.encoding import Encoded, compose, mark, spoken
from reward.outcome import Unreadable
from reward.reading import normalise
from reward.served_name import served_name
from reward.verifier import Query, Reply

OUTSIDE = -9999.0
"""The log-probability that says: outside the tokens that were kept."""
WORD = 10
"""Tokens a server may need to spell an answer of one word."""


@dataclass(frozen=True, slots=True)
class ChatWire:
    """How this server is asked, as the probe has settled it."""

    model: str
    mode: str
    """logprobs or text"""
    sampling: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0, "seed": 0})
    limit_name: str = "max_tokens"
    """max_tokens, or max_completion_tokens where a server knows only that."""
    top: int = 20
    """Log-probabilities asked for"""
    system: str = ""
    """System message of a yes/no question that brings none of its own"""
    longest: int = 1024
    """Tokens of an answer in free text"""
    root: str = ""
    """What stands behind the model's name on the server, if it says so."""
    form: Mapping[str, Any] = field(default_factory=dict)
    """The `response_format` of answers in free text, if one is asked for"""
    path: str = "chat/completions"

    def parcels(self, queries: Sequence[Query]) -> list[list[int]]:
        """Every query travels alone."""
        return [[place] for place in range(len(queries))]

    def body(self, queries: Sequence[Query], pictures: Mapping[int, Encoded]) -> bytes:
        """The request of one query; its pictures are pasted in as they were encoded."""
        (query,) = queries
        payload: dict[str, Any] = {
            "model": self.model,
            **self.sampling,
            self.limit_name: self.tokens(query),
            "messages": self.messages(query),
        }
        if query.answers and self.mode == "logprobs":
            payload |= {"logprobs": True, "top_logprobs": self.top}
        if self.form and not query.answers:
            payload["response_format"] = dict(self.form)
        return compose(payload, [pictures[id(image)] for image in query.images])

    def tokens(self, query: Query) -> int:
        """How long the answer may be."""
        if query.max_tokens:
            return query.max_tokens
        if not query.answers:
            return self.longest
        return 1 if self.mode == "logprobs" and all(map(is_short, query.answers)) else WORD

    def messages(self, query: Query) -> list[dict[str, Any]]:
        """System message, earlier turns, and the question; the pictures stand in the first turn of the user."""
        system = query.system or (self.system if is_yes_or_no(query) else "")
        turns = [*(turn for pair in query.earlier for turn in zip(("user", "assistant"), pair, strict=True))]
        turns.append(("user", query.text))
        found: list[dict[str, Any]] = [{"role": role, "content": spoken(text)} for role, text in turns]
        if query.images:
            words = [{"type": "text", "text": spoken(turns[0][1])}]
            shown = [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{mark(place)}"}}
                for place in range(len(query.images))
            ]
            found[0]["content"] = words + shown if query.text_first else shown + words
        return [{"role": "system", "content": spoken(system)}, *found] if system else found

    def read(self, content: Any, queries: Sequence[Query]) -> list[Reply]:
        """The reply in an answer's JSON; Unreadable when it is not a chat completion at all."""
        (query,) = queries
        try:
            choice = content["choices"][0]
            message = choice["message"]
            text = message.get("content") or ""
            if not isinstance(text, str):
                raise TypeError
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Unreadable("the answer is not a chat completion") from None
        tokens_in, tokens_out = usage_of(content)
        told = self._told(query, choice, message, text)
        return [
            Reply(
                told.status, told.text, told.probabilities, told.error, served_name(content, self.root),
                tokens_in=tokens_in, tokens_out=tokens_out,
            )
        ]  # fmt: skip

    def _told(self, query: Query, choice: Mapping[str, Any], message: Mapping[str, Any], text: str) -> Reply:
        finish = choice.get("finish_reason")
        if message.get("refusal") or finish == "content_filter":
            return Reply("refused", text, error=str(message.get("refusal") or "a content filter")[:300])
        if finish == "length" and self.tokens(query) > 1:
            return Reply("parse_error", text, error=f"cut off after {self.tokens(query)} tokens")
        if not query.answers:
            return Reply("ok", text) if text.strip() else Reply("parse_error", text, error="an empty answer")
        return hard(query, text) if self.mode == "text" else soft(choice, text)


def is_yes_or_no(query: Query) -> bool:
    """Whether yes and no are the wanted answers."""
    return {normalise(one) for one in query.answers} == {"yes", "no"}


def is_short(answer: str) -> bool:
    """Whether the first token of this answer says which answer it is."""
    return normalise(answer) in ("yes", "no") or len(answer.strip()) == 1


def soft(choice: Mapping[str, Any], text: str) -> Reply:
    """The probabilities of the first token; unreadable where they are absent or those of something else."""
    found = probabilities(choice.get("logprobs"), text)
    if found is None:
        return Reply("parse_error", text, error="no log-probabilities that belong to the answer's first token")
    return Reply("ok", text, found)


def hard(query: Query, text: str) -> Reply:
    """The first word as the answer, with all probability on it; no search further on."""
    words = text.split()
    first = normalise(words[0]) if words else ""
    if first not in {normalise(one) for one in query.answers}:
        return Reply("parse_error", text, error=f"the first word is none of: {', '.join(query.answers)}")
    return Reply("ok", text, {first: 1.0})


def probabilities(logprobs: Any, text: str) -> dict[str, float] | None:
    """Token to probability; None when the first token listed does not begin the text (sgl-project/sglang#25055)."""
    try:
        first = logprobs["content"][0]
        listed = [(one["token"], one["logprob"]) for one in [*first["top_logprobs"], first]]
        begins = str(first["token"]).strip()
    except (KeyError, IndexError, TypeError):
        return None
    if not begins or not text.strip().startswith(begins):
        return None
    found: dict[str, float] = {}
    for place, (token, value) in enumerate(listed):
        if not isinstance(token, str) or not isinstance(value, int | float) or math.isnan(value):
            return None
        repeated = place == len(listed) - 1 and token in found
        if value > OUTSIDE and not repeated:
            found[token] = found.get(token, 0.0) + math.exp(min(value, 1.0))
    return found


def usage_of(content: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens in and out, as the server counts them."""
    usage = content.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    first, second = (one if isinstance(one, int) and one >= 0 else 0 for one in counts)
    return first, second


def loads(body: bytes) -> Any:
    """JSON of an answer; Unreadable names what came instead."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        start = body[:60].decode("utf-8", "replace").strip()
        raise Unreadable(f"the answer is not JSON: {start!r}") from None
