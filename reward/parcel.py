"""What travels inside the HTTP client: a job for each call of `ask`, and the parcels it is split into."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.encoding import Encoded
from reward.outcome import Outcome
from reward.reply_key import key_text, text_hash
from reward.verifier import Query, Reply


@dataclass(slots=True)
class Job:
    """One call of `ask`: what it asks, and the replies as they come."""

    queries: Sequence[Query]
    facts: Mapping[str, Any]
    pictures: Mapping[int, Encoded]
    replies: list[Reply | None]
    left: int
    """Replies that are still to come; whoever holds the client's lock counts."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None

    def came(self, failure: BaseException | None, count: int) -> None:
        """So many replies less to wait for; `failure` is why they will never come, if so."""
        self.failure = self.failure or failure
        self.left -= count
        if self.left == 0:
            self.done.set()

    def key(self, place: int) -> str:
        """The name of a reply."""
        query = self.queries[place]
        return text_hash(key_text(query, [self.pictures[id(image)].pixels() for image in query.images], self.facts))


@dataclass(frozen=True, slots=True)
class Parcel:
    """Queries that travel together, and the keys of their replies."""

    queries: tuple[Query, ...]
    keys: tuple[str, ...]
    pictures: Mapping[int, Encoded]
    cancelled: threading.Event
    tried: list[Outcome] = field(default_factory=list)


def shown(job: Job, places: Sequence[int]) -> list[Encoded]:
    """The pictures of a parcel, each once."""
    return [job.pictures[one] for one in {id(image) for place in places for image in job.queries[place].images}]
