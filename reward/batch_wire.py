"""Our own protocol, version 1: many queries a call, each picture once for all its questions (harness.md 5.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from reward.encoding import Encoded, compose, mark, spoken
from reward.outcome import Unreadable
from reward.served_name import without_path
from reward.verifier import Query, Reply
from tasks.sample import Status

PROTOCOL = 1
LARGEST_BODY = 8 << 20
"""Bytes of a request that a server of this protocol takes."""
GROWTH = 1.4
"""Base64 of a PNG against the raw pixels, at the worst."""
PER_QUERY = 4096
"""Bytes a query's own words may take when parcels are packed."""
ALLOWED: Mapping[str, Status] = {
    "ok": "ok", "refused": "refused", "timeout": "timeout", "parse_error": "parse_error",
    "missing_image": "missing_image", "transport_error": "transport_error",
}  # fmt: skip
"""What a server may say of one query."""


@dataclass(frozen=True, slots=True)
class BatchWire:
    """How many queries the server takes at once."""

    most: int = 64
    path: str = "v1/verify"

    def parcels(self, queries: Sequence[Query]) -> list[list[int]]:
        """Consecutive queries, as many as the server takes and a body holds."""
        found: list[list[int]] = []
        shown: set[int] = set()
        size = 0.0
        for place, query in enumerate(queries):
            new = [image for image in query.images if id(image) not in shown]
            grown = size + PER_QUERY + sum(map(_weight, new))
            if not found or len(found[-1]) >= self.most or grown > LARGEST_BODY:
                found.append([])
                shown, grown = set(), PER_QUERY + sum(map(_weight, query.images))
            found[-1].append(place)
            shown.update(map(id, query.images))
            size = grown
        return found

    def body(self, queries: Sequence[Query], pictures: Mapping[int, Encoded]) -> bytes:
        """The request of a parcel."""
        shown = {id(image): pictures[id(image)] for query in queries for image in query.images}
        names = {one: picture.name() for one, picture in shown.items()}
        payload = {
            "protocol": PROTOCOL,
            "images": {names[one]: mark(place) for place, one in enumerate(shown)},
            "queries": [
                {"id": str(place), "images": [names[id(image)] for image in query.images], **words(query)}
                for place, query in enumerate(queries)
            ],
        }
        return compose(payload, list(shown.values()))

    def read(self, content: Any, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, matched by id; one that is absent or doubled fails alone."""
        if not isinstance(content, dict) or content.get("protocol") != PROTOCOL:
            raise Unreadable(f"the answer is not of protocol {PROTOCOL}")
        replies, served = content.get("replies"), served_of(content)
        if not isinstance(replies, list):
            raise Unreadable("the answer holds no replies")
        by_id: dict[str, list[Mapping[str, Any]]] = {}
        for one in replies:
            if isinstance(one, dict):
                by_id.setdefault(str(one.get("id")), []).append(one)
        return [_reply(by_id.get(str(place), []), served) for place in range(len(queries))]


def words(query: Query) -> dict[str, Any]:
    """A query without its pictures; what is left to the server is left out."""
    told: dict[str, Any] = {"text": spoken(query.text), "answers": list(query.answers)}
    for name in ("max_tokens", "system", "text_first", "attempt", "continuation"):
        if getattr(query, name):
            told[name] = getattr(query, name)
    if query.earlier:
        told["earlier"] = [list(map(spoken, pair)) for pair in query.earlier]
    return told


def served_of(content: Mapping[str, Any]) -> str:
    """Model and revision of who answered."""
    served = content.get("served")
    served = served if isinstance(served, dict) else {}
    parts = [without_path(one) for one in (served.get("model"), served.get("revision")) if isinstance(one, str) and one]
    return " ".join(parts)[:200]


def _weight(image: Image.Image) -> float:
    return GROWTH * 3 * image.width * image.height


def _reply(found: Sequence[Mapping[str, Any]], served: str) -> Reply:
    if len(found) != 1:
        return Reply("parse_error", error="two replies with its id" if found else "no reply with its id", served=served)
    one = found[0]
    status, text = ALLOWED.get(str(one.get("status"))), one.get("text", "")
    if status is None or not isinstance(text, str):
        return Reply("parse_error", error=f"a reply with the status {one.get('status')!r}", served=served)
    if status != "ok":
        return Reply(status, text, error=str(one.get("error", ""))[:300] or status, served=served)
    probabilities = _probabilities(one.get("probabilities", {}))
    if probabilities is None:
        return Reply("parse_error", text, error="probabilities that are no numbers", served=served)
    tokens = [one.get(name, 0) for name in ("tokens_in", "tokens_out")]
    tokens_in, tokens_out = (count if isinstance(count, int) and count >= 0 else 0 for count in tokens)
    likelihood = _probabilities({"": one["log_likelihood"]} if "log_likelihood" in one else {})
    if likelihood is None:
        return Reply("parse_error", text, error="a log-likelihood that is no number", served=served)
    return Reply("ok", text, probabilities, served=served, tokens_in=tokens_in, tokens_out=tokens_out,
                 log_likelihood=likelihood.get(""))  # fmt: skip


def _probabilities(given: Any) -> dict[str, float] | None:
    if not isinstance(given, dict):
        return None
    for value in given.values():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
    return {str(name): float(value) for name, value in given.items()}
