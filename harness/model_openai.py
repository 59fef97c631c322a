"""openai: image APIs in the protocol of OpenAI, and any server that speaks it: prompts drawn, pictures edited.

What makes the HTTP verifier robust asks here too: bounded tries, adaptive concurrency, a breaker, budgets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import UnidentifiedImageError

from harness.call_arguments import parse_pairs
from harness.image_wire import FORM, DrawWire, EditWire
from harness.model import Setting
from reward.budget import Budget
from reward.client import Client
from reward.endpoint import Endpoint
from reward.outcome import ConnectionLost, TryTimedOut
from reward.reply_key import canonical_hash
from reward.verifier import Query, Reply, VerifierDown
from reward.verifier_http import check_numbers, openai_endpoints, patience_of
from tasks.picture_file import read_rgb
from tasks.sample import Failure, Request, Response

LARGEST = 64 << 20
"""Bytes of the longest answer: a large picture as base64."""
PLAIN = ("gpt-image", "chatgpt-image")
"""Models that always answer with base64 and refuse to be told so."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the model is and how it draws; its key comes from the environment."""

    model: str
    """Name that the server knows the model by, such as gpt-image-1."""
    base_url: tuple[str, ...] = ("https://api.openai.com/v1",)
    """Address up to /v1; several servers of one model with + between them."""
    key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key (or, with _FILE after it, the name of a file that does)."""
    size: str | None = None
    """Such as 1024x1024; the server's own when not given."""
    quality: str | None = None
    """Such as low, medium, high."""
    call: str = ""
    """Further fields of the request: name:value+name:value, or JSON."""
    seeds: bool = False
    """Tell the server each image's seed; OpenAI's own takes none, so its images cannot be made again."""
    concurrency: int = 16
    """Most calls in flight; no more than --batch-size are."""
    start: int = 4
    """Calls in flight at first; grows by one after each full window of successes."""
    rate: float | None = None
    """Most calls a second."""
    timeout: float = 300.0
    """Seconds of one try."""
    total_timeout: float = 1200.0
    """Seconds of an image, all tries and pauses included."""
    tries: int = 3
    """Most tries of an image."""
    max_side: int | None = None
    """Sources with a longer side are made smaller."""
    max_calls: int | None = None
    """Stop after so many calls."""
    max_cost: float | None = None
    """Stop before so much is spent, by the prices below."""
    price_image: float = 0.0
    """Price of an image, for a server that counts no tokens."""
    price_in: float = 0.0
    """Price of a million tokens sent."""
    price_out: float = 0.0
    """Price of a million tokens drawn."""


class OpenAiModel:
    """A model of the harness's contract over a server."""

    def __init__(self, name: str, record: Mapping[str, Any], draws: Client, edits: Client) -> None:
        self.id, self.record, self.draws, self.edits = name, record, draws, edits

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response | Failure]:
        """One response a request, in order, all asked for at once; what a server refuses is no failure to draw."""
        found: dict[int, Response | Failure] = {}
        for client, edits in ((self.draws, False), (self.edits, True)):
            places = [place for place, request in enumerate(requests) if bool(request.sources) == edits]
            queries = [Query(requests[place].sources, requests[place].prompt, attempt=seeds[place]) for place in places]
            try:
                replies = client.ask(queries, {"model": self.id}) if queries else []
            except VerifierDown as down:
                replies = [Reply("skipped", error=str(down))] * len(queries)
            found.update(zip(places, map(answer_of, replies), strict=True))
        return [found[place] for place in range(len(requests))]


def answer_of(reply: Reply) -> Response | Failure:
    """The picture of a reply, or why there is none."""
    if reply.status != "ok":
        return Failure(reply.status, reply.error)
    try:
        picture = read_rgb("in the answer", base64.b64decode(reply.text, validate=True))
    except (binascii.Error, ValueError, OSError, UnidentifiedImageError) as error:
        return Failure("parse_error", f"the answer holds no picture that can be read: {error}")
    return Response(picture, tokens=(reply.tokens_in, reply.tokens_out))


def build(arguments: Arguments, setting: Setting) -> OpenAiModel:  # noqa: ARG001 - a server has its own device
    """The model, once its server has answered; ValueError says what is wrong with address or key."""
    check_numbers(arguments, "model")
    prices = arguments.price_in, arguments.price_out, arguments.price_image
    budget = Budget(arguments.max_calls, arguments.max_cost, *prices)
    options = options_of(arguments)
    wires = (DrawWire(arguments.model, options, arguments.seeds), EditWire(arguments.model, options, arguments.seeds))
    clients = []
    for wire, content in zip(wires, ("application/json", FORM), strict=True):
        endpoints = openai_endpoints(arguments, "model 'openai'", content, LARGEST)
        side = arguments.max_side
        clients.append(Client(wire, endpoints, patience_of(arguments), budget, arguments.rate, side))
    for endpoint in clients[0].endpoints:
        reach(endpoint, arguments.timeout)
    record = {
        "class": "harness.model_openai.OpenAiModel",
        "requested": arguments.model,
        "base_url": "+".join(one.told for one in clients[0].endpoints),
        "generation": {**options, "seeds": arguments.seeds, "max_side": side},
        "prices": {"image": arguments.price_image, "in": arguments.price_in, "out": arguments.price_out},
    }
    name = f"openai:{arguments.model}@{canonical_hash([record['base_url'], record['generation']])[:8]}"
    return OpenAiModel(name, record, *clients)


def options_of(arguments: Arguments) -> dict[str, Any]:
    """The fields of every request; base64 is asked for where a model would answer with addresses."""
    given = {"size": arguments.size, "quality": arguments.quality}
    found = {name: value for name, value in given.items() if value is not None} | parse_pairs(arguments.call)
    for name in ("model", "prompt", "n", "image", "stream"):
        if name in found:
            raise ValueError(f"call= sets {name}, which the harness sets itself")
    plain = arguments.model.startswith(PLAIN)
    return found if plain or "response_format" in found else {**found, "response_format": "b64_json"}


def reach(endpoint: Endpoint, seconds: float) -> None:
    """Asks for the list of models, which costs nothing; ValueError for a server that is not there or wants another key.

    A server without such a list is taken at its word.
    """
    try:
        answer = endpoint.get("models", min(seconds, 30.0))
    except (TryTimedOut, ConnectionLost) as error:
        raise ValueError(f"the image server does not answer: {error}; check base_url=") from None
    if answer.status in (401, 403):
        raise ValueError(
            f"{endpoint.told} refuses the key (HTTP {answer.status}); put the right one into the environment"
        )
