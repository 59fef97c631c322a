"""The name of a reply: everything that can change it (harness.md 5.8)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from reward.image_name import picture_name
from reward.verifier import Query

WORDS = tuple(one.name for one in fields(Query) if one.compare and one.name != "images")
"""What can change a reply, but for the pictures, which a key names by their pixels."""


def canonical_hash(content: Any) -> str:
    """SHA-256 of canonical JSON."""
    return text_hash(canonical(content))


def canonical(content: Any) -> str:
    """JSON that is the same for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def facts_of(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """What a key holds of a verifier, from its id and record.

    One that neither a server's name nor the hash of its weights or source tells apart is another verifier every day
    (UTC), so that nothing is reused across days.
    """
    facts: dict[str, Any] = {
        "verifier": {
            "id": name,
            "name": record.get("name"),
            "requested": record.get("requested"),
            "served": record.get("served_id"),
            "revision": record.get("revision"),
        },
        "sampling": record.get("sampling"),
        "mode": record.get("mode"),
    }
    known = facts["verifier"]["served"] or facts["verifier"]["revision"]
    if facts["mode"] != "rule" and not known:
        facts["date"] = f"{datetime.now(UTC):%Y-%m-%d}"
    return facts


def reply_keys(queries: Sequence[Query], facts: Mapping[str, Any]) -> list[str]:
    """One key a query."""
    return [text_hash(text) for text in key_texts(queries, facts)]


def key_texts(queries: Sequence[Query], facts: Mapping[str, Any]) -> list[str]:
    """What each key is the hash of; the pixels of each picture are hashed once."""
    names: dict[int, str] = {}
    for query in queries:
        for image in query.images:
            if id(image) not in names:
                names[id(image)] = picture_name(image)
    return [key_text(query, [names[id(image)] for image in query.images], facts) for query in queries]


def key_text(query: Query, names: Sequence[str], facts: Mapping[str, Any]) -> str:
    """What the key of one query is the hash of, its pictures named."""
    return canonical({"v": 1, "images": names, **{one: getattr(query, one) for one in WORDS}, **facts})
