"""Asks servers many things at once: bounded tries, adaptive concurrency, and nothing lost, doubled or invented.

`Client.ask` hands parcels of queries to a crew of threads. A thread waits for the server with least in flight, tries,
and pauses between tries; what a server does wrong ends in a reply that says so (harness.md 5.5 to 5.7).
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from reward.budget import Budget
from reward.chat_wire import loads
from reward.encoding import encode_all
from reward.endpoint import Endpoint
from reward.limit import Bucket
from reward.outcome import ConnectionLost, Outcome, TryTimedOut, Unreadable, of_answer, of_failure
from reward.parcel import Job, Parcel, shown
from reward.verifier import Query, Reply, VerifierDown
from reward.wire import Wire

LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often."""

    timeout: float = 120.0
    """Seconds of one try"""
    total: float = 600.0
    """Seconds of a query, waits included"""
    tries: int = 3


class Client:
    """A crew of threads over one or several servers of the same verifier."""

    def __init__(
        self, wire: Wire, endpoints: Sequence[Endpoint], patience: Patience, budget: Budget,
        rate: float | None = None, max_side: int | None = None, jitter: Callable[[float], float] | None = None,
    ) -> None:  # fmt: skip
        self.wire, self.endpoints, self.patience, self.budget = wire, list(endpoints), patience, budget
        self.bucket = None if rate is None else Bucket(rate, time.monotonic())
        self.max_side = max_side
        self.jitter = jitter or (lambda most: random.uniform(0.0, most))
        self.lock = threading.Condition()
        self.work: queue.SimpleQueue[tuple[Job, list[int]]] = queue.SimpleQueue()
        self.asking: dict[str, list[tuple[Job, int]]] = {}
        self.crew = 0

    def ask(self, queries: Sequence[Query], facts: Mapping[str, Any]) -> list[Reply]:
        """One reply a query, in order; equal queries are asked once, also when another thread asks them now."""
        down = self.down() or self.budget.refusal(0)
        if down:
            raise VerifierDown(down)
        pictures = encode_all(queries, self.max_side)
        job = Job(queries, facts, pictures, [None] * len(queries), len(queries))
        parcels = self.wire.parcels(queries)
        for places in parcels:
            for picture in shown(job, places):
                picture.users += 1
        for places in parcels:
            self.work.put((job, places))
        self._man(len(parcels))
        try:
            if queries:
                job.done.wait()
        except BaseException:  # an interrupt: what waits is given up, what is in flight ends by itself
            job.cancelled.set()
            with self.lock:
                self.lock.notify_all()
            raise
        if job.failure is not None:
            raise job.failure
        return [reply for reply in job.replies if reply is not None]

    def down(self) -> str:
        """Why no server will ever answer again, if so."""
        reasons = [one.breaker.dead for one in self.endpoints]
        return "; ".join(dict.fromkeys(reasons)) if all(reasons) else ""

    def _man(self, wanted: int) -> None:
        """As many threads as may be of use."""
        with self.lock:
            while self.crew < min(wanted, max(one.limit.ceiling for one in self.endpoints)):
                self.crew += 1
                threading.Thread(target=self._serve, name=f"ask-{self.crew}", daemon=True).start()

    def _serve(self) -> None:
        """Takes parcels; their keys and bodies are made only now, so that the first call goes out at once."""
        while True:
            job, places = self.work.get()
            try:
                parcel = self._opened(job, places)
            except BaseException as failure:  # noqa: BLE001 - the thread that waits raises it
                with self.lock:
                    job.came(failure, len(places))
            else:
                self._answer(parcel)
            for picture in shown(job, places):
                picture.leave()

    def _answer(self, parcel: Parcel) -> None:
        try:
            replies = self._carry(parcel) if parcel.queries else ()
        except BaseException as failure:  # noqa: BLE001 - the thread that waits raises it
            self._deliver(parcel, [Reply("transport_error")] * len(parcel.keys), failure)
        else:
            self._deliver(parcel, replies)

    def _opened(self, job: Job, places: Sequence[int]) -> Parcel:
        """The queries of a parcel that nobody asks now; the others wait for the reply that is on its way."""
        keys = [job.key(place) for place in places]
        new: list[tuple[int, str]] = []
        with self.lock:
            for place, key in zip(places, keys, strict=True):
                if key not in self.asking:
                    self.asking[key] = []
                    new.append((place, key))
                self.asking[key].append((job, place))
        return Parcel(
            tuple(job.queries[place] for place, _ in new), tuple(key for _, key in new), job.pictures, job.cancelled
        )

    def _deliver(self, parcel: Parcel, replies: Sequence[Reply], failure: BaseException | None = None) -> None:
        """Each reply to all who wait for it; then it is forgotten, so that a failure is given to no other."""
        named = [replace(reply, key=key) for reply, key in zip(replies, parcel.keys, strict=True)]
        with self.lock:
            for reply in named:
                for job, place in self.asking.pop(reply.key):
                    job.replies[place] = reply
                    job.came(failure, 1)

    def _carry(self, parcel: Parcel) -> Sequence[Reply]:
        """Tries until there are replies, or until tries, time or money are spent."""
        used, begun = 0, 0.0
        deadline = float("inf")
        while True:
            endpoint = self._board(parcel, deadline)
            if endpoint is None:
                return self._failed(parcel, parcel.tried[-1], begun)
            if isinstance(endpoint, str):
                return self._failed(parcel, Outcome(status="skipped", message=endpoint), begun)
            begun = begun or time.monotonic()
            deadline = begun + self.patience.total
            outcome = self._try(endpoint, parcel, min(self.patience.timeout, max(0.01, deadline - time.monotonic())))
            parcel.tried.append(outcome)
            used += not outcome.free
            pause = max(self.jitter(min(LONGEST_PAUSE, 2.0 ** min(len(parcel.tried), 9))), outcome.wait)
            more = used < self.patience.tries and time.monotonic() + pause < deadline
            more = more and (outcome.again or (outcome.fatal and len(self.endpoints) > 1))
            self._leave(endpoint, outcome, more)
            if outcome.replies:
                seconds = time.monotonic() - begun
                return [replace(one, tries=len(parcel.tried), seconds=seconds) for one in outcome.replies]
            if not more or parcel.cancelled.wait(pause):
                return self._failed(parcel, outcome, begun)

    def _failed(self, parcel: Parcel, outcome: Outcome, begun: float) -> list[Reply]:
        seconds = time.monotonic() - begun if begun else 0.0
        told = outcome.message
        if outcome.status == "skipped" and parcel.tried:
            told = f"{told}; before: {parcel.tried[-1].message}"
        reply = Reply(outcome.status, error=told, tries=len(parcel.tried), seconds=seconds)
        return [reply] * len(parcel.queries)

    def _board(self, parcel: Parcel, deadline: float) -> Endpoint | str | None:
        """A place at the server with least in flight; why there will be none, or None when time is up."""
        with self.lock:
            while True:
                now = time.monotonic()
                why = "cancelled" if parcel.cancelled.is_set() else self.down()
                why = why or self.budget.refusal(sum(one.in_flight for one in self.endpoints))
                if why or now > deadline:
                    return why or None
                free = [one for one in self.endpoints if one.breaker.allows(now, one.in_flight)]
                free = [one for one in free if one.in_flight < one.limit.now]
                if free:
                    break
                self.lock.wait(1.0)
            endpoint = min(free, key=lambda one: one.in_flight)
            endpoint.in_flight += 1
            self.budget.calls += 1
            wait = self.bucket.take(now) if self.bucket else 0.0
        if wait:
            parcel.cancelled.wait(wait)
        return endpoint

    def _try(self, endpoint: Endpoint, parcel: Parcel, seconds: float) -> Outcome:
        started = time.monotonic()
        try:
            body = self.wire.body(parcel.queries, parcel.pictures)
            answer = endpoint.post(self.wire.path, body, seconds)
            if answer.status != 200:
                outcome = of_answer(answer, datetime.now(UTC))
            else:
                outcome = Outcome(self.wire.read(loads(answer.body), parcel.queries), code=200)
        except (TryTimedOut, ConnectionLost, Unreadable) as failure:
            outcome = of_failure(failure)
        if outcome.strain:
            with self.lock:
                endpoint.limit.strained(started, time.monotonic())
        return outcome

    def _leave(self, endpoint: Endpoint, outcome: Outcome, more: bool) -> None:
        """Gives the place back, and tells limit, breaker and budget how it went."""
        now = time.monotonic()
        with self.lock:
            endpoint.in_flight -= 1
            if outcome.replies:
                endpoint.limit.succeeded(now)
                self.budget.paid(sum(one.tokens_in for one in outcome.replies),
                                 sum(one.tokens_out for one in outcome.replies))  # fmt: skip
            if outcome.fatal:
                endpoint.breaker.dead = f"{endpoint.told}: {outcome.message}"
            elif outcome.lost and not more:
                endpoint.breaker.lost(now, f"{endpoint.told}: {outcome.message}")
            elif not outcome.lost and outcome.code != 429:
                endpoint.breaker.answered()
            self.lock.notify(2)
