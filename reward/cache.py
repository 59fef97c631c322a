"""Replies kept on disk, one SQLite file for any number of processes: what was answered once is not asked again.

A key is the hash of everything that can change a reply (harness.md 5.8), and that text is kept beside the reply, so
that `verify` can tell a row that is not what its key says. Replies are kept, never values: another reading asks nobody.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reward.reply_key import canonical, text_hash
from reward.verifier import Reply

FORMAT = 1
"""Edition of the file; one of another edition is refused."""
FILE = "replies.sqlite"
PATIENCE = 60.0
"""Seconds that a process waits while another one writes."""
AT_ONCE = 500
"""Keys of one look-up."""
OF_A_CALL = ("status", "error", "key", "tries", "seconds", "tokens_in", "tokens_out", "cached")
"""Fields of a reply that belong to the call it came by; the others are the answer, and are kept."""
KEPT = tuple(one.name for one in fields(Reply) if one.name not in OF_A_CALL)
TABLE = """CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, asked TEXT NOT NULL, reply TEXT NOT NULL,
digest TEXT NOT NULL, verifier TEXT NOT NULL, made TEXT NOT NULL) WITHOUT ROWID"""
log = logging.getLogger("harness")


@dataclass(frozen=True, slots=True)
class Entry:
    """One verifier's rows."""

    verifier: str
    replies: int
    size: int
    """Bytes of questions and replies"""
    first: str
    last: str
    """When the oldest and the newest were made, UTC"""


class ReplyCache:
    """A folder with the file of replies. Every call opens the file anew, so threads and forks share no connection."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def open(self) -> None:
        """Makes the file where there is none; ValueError says why it cannot be used."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._connected() as file:
                found = int(file.execute("PRAGMA user_version").fetchone()[0])
                if found not in (0, FORMAT):
                    raise ValueError(f"{self.path} has edition {found} of the cache; this image-harness reads {FORMAT}")
                file.execute("PRAGMA journal_mode = WAL")
                file.execute(TABLE)
                file.execute(f"PRAGMA user_version = {FORMAT}")
        except (sqlite3.Error, OSError) as error:
            raise ValueError(f"the cache {self.path} cannot be used: {error}") from None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        file = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            file.execute("PRAGMA synchronous = NORMAL")
            yield file
        finally:
            file.close()

    def find(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The replies that are there, by key; a damaged one is not there."""
        found: dict[str, Reply] = {}
        wanted = list(dict.fromkeys(keys))
        with self._connected() as file:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, reply, digest FROM replies WHERE key IN ({marks})"  # noqa: S608 - marks alone
                for key, text, digest in file.execute(query, some):
                    if digest == digest_of(key, text):
                        found[key] = read_reply(key, text)
                    else:
                        log.warning("the cache %s holds a damaged reply; `harness cache gc` removes it", self.path)
        return found

    def keep(self, verifier: str, answered: Mapping[str, tuple[str, Reply]]) -> None:
        """Adds replies, by key and with the text the key is the hash of; one that is there already stays."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = []
        for key, (asked, reply) in answered.items():
            text = written(reply)
            rows.append((key, asked, text, digest_of(key, text), verifier, now))
        with self._connected() as file:
            file.execute("BEGIN IMMEDIATE")
            file.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?)", rows)
            file.execute("COMMIT")

    def entries(self) -> list[Entry]:
        """What is kept of each verifier."""
        query = """SELECT verifier, COUNT(*), SUM(LENGTH(asked) + LENGTH(reply)), MIN(made), MAX(made)
        FROM replies GROUP BY verifier ORDER BY verifier"""
        with self._connected() as file:
            return [Entry(*row) for row in file.execute(query)]

    def damaged(self) -> list[str]:
        """Keys of rows that are not what they say: another key than the hash of what was asked, a changed reply."""
        with self._connected() as file:
            rows = file.execute("SELECT key, asked, reply, digest FROM replies ORDER BY key")
            return [key for key, asked, text, digest in rows if not is_sound(key, asked, text, digest)]

    def fault(self) -> str:
        """What SQLite finds wrong with the file itself, if anything."""
        with self._connected() as file:
            told = str(file.execute("PRAGMA integrity_check(1)").fetchone()[0])
        return "" if told == "ok" else told

    def drop(self, keys: Sequence[str], days: float | None = None, verifier: str = "") -> int:
        """Removes these keys, and what is older than so many days or was answered by that verifier; how many went."""
        with self._connected() as file:
            file.execute("BEGIN IMMEDIATE")
            gone = sum(file.execute("DELETE FROM replies WHERE key = ?", (key,)).rowcount for key in keys)
            if days is not None:
                limit = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
                gone += file.execute("DELETE FROM replies WHERE made < ?", (limit,)).rowcount
            if verifier:
                gone += file.execute("DELETE FROM replies WHERE verifier = ?", (verifier,)).rowcount
            file.execute("COMMIT")
            file.execute("VACUUM")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone


def default_folder() -> Path:
    """Where replies are kept when no folder is named."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "image-harness" / "replies"


def written(reply: Reply) -> str:
    """What is kept of a reply, as JSON."""
    return canonical({name: told(reply, name) for name in KEPT})


def told(reply: Reply, name: str) -> Any:
    """One field of a reply as JSON can hold it."""
    value = getattr(reply, name)
    return dict(value) if isinstance(value, Mapping) else value


def read_reply(key: str, text: str) -> Reply:
    """A kept reply: it cost nothing, took no time and was asked of nobody."""
    return Reply("ok", **json.loads(text), key=key, tries=0, cached=True)


def digest_of(key: str, text: str) -> str:
    """What a row's reply is checked by."""
    return text_hash(f"{key}\n{text}")


def is_sound(key: str, asked: str, text: str, digest: str) -> bool:
    """Whether a row is as it was written."""
    return text_hash(asked) == key and digest == digest_of(key, text)
