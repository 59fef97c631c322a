"""http: any OpenAI-compatible server (OpenAI, vLLM, SGLang, llama.cpp, LiteLLM) as the verifier."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reward.budget import Budget
from reward.chat_wire import ChatWire
from reward.client import Client, Patience
from reward.connection import address_of
from reward.endpoint import LARGEST, Endpoint
from reward.json_wire import JsonWire
from reward.probe import Probed, answered_all, check_known, root_of, settle
from reward.reply_key import canonical_hash, facts_of
from reward.secret import read_secret
from reward.served_name import without_path
from reward.verifier import Query, Reply

CONNECT = 10.0
"""Seconds to reach a server"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the verifier is and how it is asked; its key comes from the environment."""

    model: str
    """Name that the server knows the model by."""
    base_url: tuple[str, ...] = ("https://api.openai.com/v1",)
    """Address up to /v1; several servers of one model with + between them."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key (or, with _FILE after it, the name of a file that does)."""
    mode: Literal["auto", "logprobs", "text", "json"] = "auto"
    """logprobs reads probabilities, text reads words, json asks all questions of an image in one call; auto takes
    logprobs, or text where a server has none."""
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
    """Most tries of a question."""
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
    temperature: float = 0.0
    """Sampling temperature."""
    seed: int = 0
    """Sampling seed."""
    longest: int = 1024
    """Tokens of an answer in free text."""
    probe: Literal["known", "reach"] = "known"
    """known: two known questions about a drawn picture must be answered rightly; reach: only that it answers."""


class HttpVerifier:
    """Asks a server; what it costs and how it fails is in the replies."""

    def __init__(self, client: Client, name: str, record: Mapping[str, Any]) -> None:
        self.client, self.id, self.record = client, name, record
        self.facts = facts_of(name, record)

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order; a failed query is a reply with that status."""
        return self.client.ask(queries, self.facts)


def check_numbers(arguments: Any, owner: str = "verifier") -> None:
    """ValueError names a number that makes no sense."""
    for name in ("concurrency", "start", "tries", "timeout", "total_timeout", "rate", "max_side", "max_calls"):
        value = getattr(arguments, name)
        if value is not None and value <= 0:
            raise ValueError(f"{owner} argument {name}={value} must be more than 0")


def patience_of(arguments: Any) -> Patience:
    """How long and how often."""
    return Patience(arguments.timeout, arguments.total_timeout, arguments.tries)


def budget_of(arguments: Any) -> Budget:
    """What may be spent."""
    return Budget(arguments.max_calls, arguments.max_cost, arguments.price_in, arguments.price_out)


def openai_endpoints(
    arguments: Any, owner: str = "verifier 'http'", content: str = "application/json", largest: int = LARGEST
) -> list[Endpoint]:
    """The servers, addressed and authorised as the `openai` package does it.

    Calls then travel over a leaner transport: the package takes four times the CPU (`benchmarks/http_verifier.py`).
    """
    try:
        from openai import OpenAI
    except ImportError:
        raise ValueError(f"{owner} needs the openai package: pip install 'image-harness[http]'") from None
    key = read_secret(arguments.key_env) or "none"  # a server of one's own asks for none, and the package for some
    found = []
    for url in arguments.base_url:
        address_of(url)
        client = OpenAI(base_url=url, api_key=key, max_retries=0, timeout=arguments.timeout)
        headers = {
            name: value
            for name, value in {**client.auth_headers, **client.default_headers}.items()
            if isinstance(value, str)
        }
        most = arguments.concurrency, arguments.start
        found.append(Endpoint(str(client.base_url), headers, *most, CONNECT, content, largest))
    return found


def auditor() -> str:
    """The system message of yes/no questions."""
    return (Path(__file__).parent / "prompts" / "auditor.txt").read_text(encoding="utf-8").strip()


def build(arguments: Arguments) -> HttpVerifier:
    """Probes the server and returns the verifier; ValueError or VerifierDown says what is wrong with it."""
    check_numbers(arguments)
    budget = budget_of(arguments)
    endpoints = openai_endpoints(arguments)
    system = auditor()
    sampling = {"temperature": arguments.temperature, "seed": arguments.seed}
    wire = ChatWire(arguments.model, "logprobs", sampling, system=system, longest=arguments.longest)
    mode = "text" if arguments.mode == "json" else arguments.mode
    look = arguments.probe == "known"
    probes = [
        settle(one, replace(wire, root=root_of(one, arguments.model, arguments.timeout)), mode, look, arguments.timeout)
        for one in endpoints
    ]
    first = probes[0]
    for endpoint, probed in zip(endpoints, probes, strict=True):
        if (probed.wire, probed.served) != (first.wire, first.served):
            raise ValueError(
                f"the servers differ: {endpoints[0].told} is {first.served!r} in mode {first.wire.mode}, "
                f"{endpoint.told} is {probed.served!r} in mode {probed.wire.mode}; one run has one verifier"
            )
    record = record_of(arguments, endpoints, first, system)
    asking = JsonWire(first.wire) if arguments.mode == "json" else first.wire
    if look and isinstance(asking, JsonWire):
        for endpoint in endpoints:
            check_known(f"verifier at {endpoint.told}", answered_all(endpoint, asking, arguments.timeout))
    client = Client(asking, endpoints, patience_of(arguments), budget, arguments.rate, arguments.max_side)
    shown = [record["requested"], record["served_id"] or "?", record["mode"]]
    changing = canonical_hash([record[one] for one in ("sampling", "system_sha256", "max_side")])[:8]
    return HttpVerifier(client, f"http:{':'.join(shown)}@{changing}", record)


def record_of(arguments: Arguments, endpoints: Sequence[Endpoint], probed: Probed, system: str) -> dict[str, Any]:
    """What run.json keeps of the verifier."""
    wire = probed.wire
    return {
        "name": "http",
        "requested": without_path(arguments.model),
        "served_id": probed.served or None,
        "revision": None,
        "base_url": "+".join(one.told for one in endpoints),
        "mode": "json" if arguments.mode == "json" else wire.mode,
        "sampling": {
            **wire.sampling,
            "top_logprobs": wire.top if wire.mode == "logprobs" else None,
            "longest": wire.longest,
        },
        "system_sha256": hashlib.sha256(system.encode()).hexdigest(),
        "max_side": arguments.max_side,
        "prices": {"in": arguments.price_in, "out": arguments.price_out},
        "probe": probed.record,
    }
