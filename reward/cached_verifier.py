"""A verifier before a cache: what was answered before, by the very same verifier, is not asked again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reward.cache import ReplyCache
from reward.reply_key import facts_of, key_texts, text_hash
from reward.verifier import Query, Reply, Verifier

log = logging.getLogger("harness")


class CachedVerifier:
    """Wraps any verifier; its id and record are the verifier's, because its answers are.

    Only replies with status `ok` are kept, and only from the server that the start-up probe has met.
    """

    def __init__(self, verifier: Verifier, cache: ReplyCache) -> None:
        self.verifier, self.cache = verifier, cache
        self.id = verifier.id
        self.record: Mapping[str, Any] = verifier.record
        self.facts = facts_of(verifier.id, verifier.record)

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; equal queries are asked once."""
        texts = key_texts(queries, self.facts)
        keys = [text_hash(text) for text in texts]
        found = self._kept(keys)
        new = {key: place for place, key in reversed(list(enumerate(keys))) if key not in found}
        places = sorted(new.values())
        replies = self.verifier.ask([queries[place] for place in places]) if places else []
        asked = [keys[place] for place in places]
        fresh = {key: replace(reply, key=key) for key, reply in zip(asked, replies, strict=True)}
        self._keep({key: (texts[new[key]], reply) for key, reply in fresh.items() if self._lasts(reply)})
        return [found.get(key) or fresh[key] for key in keys]

    def _lasts(self, reply: Reply) -> bool:
        wanted = self.record.get("served_id")
        return reply.status == "ok" and not reply.cached and (not wanted or reply.served in (wanted, self.id))

    def _kept(self, keys: Sequence[str]) -> dict[str, Reply]:
        try:
            return self.cache.find(keys)
        except sqlite3.Error as error:
            log.warning("the cache %s cannot be read, so everything is asked: %s", self.cache.path, error)
            return {}

    def _keep(self, answered: Mapping[str, tuple[str, Reply]]) -> None:
        if not answered:
            return
        try:
            self.cache.keep(self.id, answered)
        except sqlite3.Error as error:
            log.warning("the cache %s cannot be written; these replies are not kept: %s", self.cache.path, error)
