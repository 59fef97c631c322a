"""The name of a reply: everything that can change it (harness.md 5.8)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from reward.image_name import picture_name
from reward.verifier import Query, Verifier

WORDS = tuple(one.name for one in fields(Query) if one.name != "images")
"""Every field of a query but its pictures, which a key names by their pixels."""


def canonical_hash(content: Any) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def verifier_facts(verifier: Verifier) -> dict[str, Any]:
    """What a key holds of the verifier; one that does not say who serves it is another verifier every day (UTC)."""
    return facts_of(verifier.id, verifier.record)


def facts_of(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """The same, from a verifier's id and record."""
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
    if facts["mode"] != "rule" and not facts["verifier"]["served"]:
        facts["date"] = f"{datetime.now(UTC):%Y-%m-%d}"
    return facts


def reply_keys(queries: Sequence[Query], facts: Mapping[str, Any]) -> list[str]:
    """One key a query; the pixels of each picture are hashed once."""
    names: dict[int, str] = {}
    for query in queries:
        for image in query.images:
            if id(image) not in names:
                names[id(image)] = picture_name(image)
    return [
        canonical_hash(
            {
                "v": 1,
                "images": [names[id(image)] for image in query.images],
                **{one: getattr(query, one) for one in WORDS},
                **facts,
            }
        )
        for query in queries
    ]
