"""Both wires from the server's side: a request's JSON becomes queries, replies become an answer's JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from reward.batch_wire import PROTOCOL
from reward.verifier import Query, Reply
from tasks.registry import unknown

BEFORE = "data:image/"
FREE = 16
"""An answer that may be longer than this many tokens, without log-probabilities, is free text."""
TOP = 20
Look = Callable[[str], Image.Image]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that is not 200, and why."""

    code: int
    message: str


def chat_query(content: Mapping[str, Any], look: Look) -> Query:
    """The query in a chat request; ValueError says what is wrong with it."""
    messages = content.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("the request holds no messages")
    system, text_first = "", False
    turns: list[tuple[str, str]] = []
    images: list[Image.Image] = []
    for message in messages:
        role, text, shown, first = _message(message, look)
        if role == "system":
            system = text
        else:
            turns.append((role, text))
            images += shown
            text_first = text_first or first
    wanted = [*["user", "assistant"] * (len(turns) // 2), "user"]
    if [role for role, _ in turns] != wanted:
        raise ValueError("the messages are not turns of user and assistant that end with the user")
    limit = content.get("max_completion_tokens", content.get("max_tokens")) or 0
    free = not content.get("logprobs") and (not isinstance(limit, int) or limit == 0 or limit > FREE)
    texts = [text for _, text in turns]
    return Query(
        tuple(images), texts[-1], () if free else ("yes", "no"), limit if free and isinstance(limit, int) else 0,
        system, tuple(zip(texts[:-1:2], texts[1::2], strict=True)), text_first,
    )  # fmt: skip


def _message(message: Any, look: Look) -> tuple[str, str, list[Image.Image], bool]:
    if not isinstance(message, dict):
        raise ValueError("a message is no object")
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise ValueError("a message has no content")
    words: list[str] = []
    images: list[Image.Image] = []
    first = False
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            first = first or not images
            words.append(part["text"])
        elif kind == "image_url":
            images.append(look(_data(part.get("image_url"))))
        else:
            raise ValueError(f"a message with a part of the type {kind!r}; text and image_url are known")
    return str(message.get("role")), "\n".join(words), images, first and bool(images)


def _data(given: Any) -> str:
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str) or not url.startswith(BEFORE) or ";base64," not in url[:60]:
        raise ValueError("a picture that is not a data:image/...;base64 address; no address is opened from here")
    return url.partition(";base64,")[2]


def chat_answer(reply: Reply, name: str, wanted: bool) -> dict[str, Any] | Answered:
    """A chat completion, or the HTTP error that stands for a reply that failed."""
    if reply.status in ("transport_error", "timeout", "missing_image", "skipped"):
        code = {"transport_error": 502, "timeout": 504, "missing_image": 400}.get(reply.status, 503)
        return Answered(code, reply.error or reply.status)
    refused = reply.status == "refused"
    token = max(reply.probabilities, key=lambda one: reply.probabilities[one], default="")
    usable = reply.status == "ok" and wanted and bool(reply.probabilities)
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": "content_filter" if refused else "stop",
        "message": {
            "role": "assistant",
            "content": token if usable else reply.text,
            "refusal": (reply.error or "refused") if refused else None,
        },
        "logprobs": {"content": [logprobs(token, reply.probabilities)]} if usable else None,
    }
    return {
        "id": f"chatcmpl-{time.time_ns():x}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": reply.served or name,
        "choices": [choice],
        "usage": {
            "prompt_tokens": reply.tokens_in,
            "completion_tokens": reply.tokens_out,
            "total_tokens": reply.tokens_in + reply.tokens_out,
        },
    }


def logprobs(token: str, probabilities: Mapping[str, float]) -> dict[str, Any]:
    """The first token's entry; what has no probability is left out, as by a server that lists the likeliest."""
    listed = [
        {"token": one, "logprob": math.log(chance), "bytes": list(one.encode())}
        for one, chance in sorted(probabilities.items(), key=lambda pair: -pair[1])[:TOP]
        if chance > 0.0
    ]
    first = {"token": token, "logprob": math.log(max(probabilities[token], 1e-300)), "bytes": list(token.encode())}
    return {**first, "top_logprobs": listed}


def batch_queries(content: Mapping[str, Any], look: Look, most: int) -> tuple[list[str], list[Query]]:
    """Ids and queries of a batch; ValueError says what is wrong with it."""
    if content.get("protocol") != PROTOCOL:
        raise ValueError(f"this server speaks protocol {PROTOCOL}, not {content.get('protocol')!r}")
    images, queries = content.get("images"), content.get("queries")
    if not isinstance(images, dict) or not isinstance(queries, list):
        raise ValueError("the request holds no images or no queries")
    if len(queries) > most:
        raise ValueError(f"{len(queries)} queries, and at most {most} are taken at once")
    shown = {str(name): look(encoded) for name, encoded in images.items() if isinstance(encoded, str)}
    ids = [str(one.get("id")) for one in queries if isinstance(one, dict)]
    if len(set(ids)) != len(queries):
        raise ValueError("the queries have no ids of their own")
    return ids, [_query(one, shown) for one in queries]


def _query(one: Mapping[str, Any], shown: Mapping[str, Image.Image]) -> Query:
    names, text, answers = one.get("images", []), one.get("text"), one.get("answers", ["yes", "no"])
    earlier = one.get("earlier", [])
    if not isinstance(text, str) or not all(isinstance(some, list) for some in (names, answers, earlier)):
        raise ValueError(f"the query {one.get('id')!r} lacks text, answers or images")
    for name in names:
        if name not in shown:
            raise ValueError(unknown(f"image of query {one.get('id')!r}", str(name), shown)[:300])
    limit, attempt = (value if isinstance(value := one.get(name, 0), int) else 0 for name in ("max_tokens", "attempt"))
    turns = tuple((str(pair[0]), str(pair[1])) for pair in earlier if isinstance(pair, list) and len(pair) == 2)
    return Query(
        tuple(shown[name] for name in names), text, tuple(map(str, answers)), limit, str(one.get("system", "")), turns,
        bool(one.get("text_first", False)), attempt, str(one.get("continuation", "")),
    )  # fmt: skip


def batch_answer(ids: Sequence[str], replies: Sequence[Reply], served: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a batch."""
    found = []
    for name, reply in zip(ids, replies, strict=True):
        one: dict[str, Any] = {"id": name, "status": "transport_error" if reply.status == "skipped" else reply.status}
        told = {"text": reply.text, "probabilities": dict(reply.probabilities), "error": reply.error,
                "tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}  # fmt: skip
        one |= {name: value for name, value in told.items() if value}
        found.append(one if reply.log_likelihood is None else {**one, "log_likelihood": reply.log_likelihood})
    return {"protocol": PROTOCOL, "served": dict(served), "replies": found}
