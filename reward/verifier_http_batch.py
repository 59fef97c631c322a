"""http-batch: a server of our JSON protocol, such as `harness serve`, as the verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reward.ability import ASKED
from reward.batch_wire import PROTOCOL, BatchWire, served_of
from reward.chat_wire import loads
from reward.client import Client
from reward.endpoint import Endpoint
from reward.outcome import ConnectionLost, TryTimedOut, Unreadable
from reward.probe import answered_all, check_known
from reward.secret import read_secret, redact
from reward.verifier import VerifierDown
from reward.verifier_http import CONNECT, HttpVerifier, budget_of, check_numbers, patience_of

TOKEN = "HARNESS_TOKEN"  # noqa: S105 - the name of the variable
"""Environment variable of the token that a server bound beyond this machine asks for."""
MOST = 1024
"""Queries of one call at most, whatever a server offers."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the servers are; their token comes from the environment (HARNESS_TOKEN)."""

    base_url: tuple[str, ...]
    """Address of a server; several of the same verifier with + between them."""
    concurrency: int = 64
    """Most calls in flight."""
    start: int = 8
    """Calls in flight at first; grows by one after each full window of successes."""
    rate: float | None = None
    """Most calls a second."""
    timeout: float = 120.0
    """Seconds of one try."""
    total_timeout: float = 600.0
    """Seconds of a question, all tries and pauses included."""
    tries: int = 3
    """Most tries of a call."""
    max_queries: int = 64
    """Most questions in a call, if the server takes as many."""
    max_side: int | None = None
    """Pictures with a longer side are made smaller."""
    max_calls: int | None = None
    """Stop after so many calls."""
    max_cost: float | None = None
    """Stop before so much is spent, by the prices below."""
    price_in: float = 0.0
    """Price of a million tokens sent."""
    price_out: float = 0.0
    """Price of a million tokens answered."""


def health_of(endpoint: Endpoint, seconds: float) -> dict[str, Any]:
    """What a server says of itself; ValueError or VerifierDown says what is wrong."""
    place = f"the verifier at {endpoint.told}"
    try:
        answer = endpoint.get("health", seconds)
        if answer.status != 200:
            raise ValueError(f"{place} has no /health of protocol {PROTOCOL} (HTTP {answer.status})")
        health = loads(answer.body)
    except ConnectionLost as failure:
        if failure.unknown:
            raise ValueError(f"{place}: the name of the server is unknown; check base_url=") from None
        raise VerifierDown(f"{place} does not answer: {redact(str(failure))[:300]}") from None
    except TryTimedOut as failure:
        raise VerifierDown(f"{place} does not answer: {failure}") from None
    except Unreadable as failure:
        raise ValueError(f"{place} does not speak our protocol: {failure}") from None
    if not isinstance(health, dict) or health.get("protocol") != PROTOCOL:
        raise ValueError(f"{place} speaks another protocol than {PROTOCOL}")
    if health.get("status") != "ok":
        raise VerifierDown(f"{place} is not ready: its status is {str(health.get('status'))[:80]!r}")
    return health


def build(arguments: Arguments) -> HttpVerifier:
    """Probes the servers and returns the verifier; ValueError or VerifierDown says what is wrong with them."""
    check_numbers(arguments)
    budget = budget_of(arguments)
    token = read_secret(TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    endpoints = [Endpoint(url, headers, arguments.concurrency, arguments.start, CONNECT) for url in arguments.base_url]
    offers = [health_of(one, arguments.timeout) for one in endpoints]
    served = [served_of(one) for one in offers]
    if len(set(served)) > 1:
        raise ValueError(f"the servers differ: they are {', '.join(map(repr, served))}; one run has one verifier")
    sizes = [one.get("max_queries") for one in offers]
    most = min([arguments.max_queries, MOST, *[one for one in sizes if isinstance(one, int) and one > 0]])
    wire = BatchWire(most)
    able = answers_of(offers[0])
    look = able is None or "words" in able
    for endpoint in endpoints if look else ():
        probe(endpoint, wire, arguments.timeout)
    soft = bool(offers[0].get("probabilities"))
    record: dict[str, Any] = {
        "name": "http-batch",
        "requested": None,
        "served_id": served[0] or None,
        "revision": None,
        "base_url": "+".join(one.told for one in endpoints),
        "mode": "logprobs" if soft else "text",
        "likelihood": bool(offers[0].get("likelihood")),
        "sampling": None,
        "max_side": arguments.max_side,
        "prices": {"in": arguments.price_in, "out": arguments.price_out},
        "probe": {"questions": 2 if look else 0, "picture": look, "changes": [], "passed": True if look else None},
        **({} if able is None else {"answers": able}),
    }
    small = "" if arguments.max_side is None else f"@{arguments.max_side}"
    client = Client(wire, endpoints, patience_of(arguments), budget, arguments.rate, arguments.max_side)
    return HttpVerifier(client, f"http-batch:{served[0] or '?'}:{record['mode']}{small}", record)


def answers_of(health: Mapping[str, Any]) -> list[str] | None:
    """The kinds of `reward/ability.py` that a server says it answers; None where it does not say."""
    told = health.get("answers")
    return [str(one) for one in told if one in ASKED] if isinstance(told, list) else None


def probe(endpoint: Endpoint, wire: BatchWire, seconds: float) -> None:
    """Both known questions in one call."""
    try:
        check_known(f"verifier at {endpoint.told}", answered_all(endpoint, wire, seconds))
    except VerifierDown as failure:
        if "HTTP 401" in str(failure) or "HTTP 403" in str(failure):
            raise ValueError(
                f"the verifier at {endpoint.told} refuses the token; put the right one into {TOKEN}"
            ) from None
        raise
