"""The start-up probe: two known questions about a drawn picture settle how a server is asked, before a run begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from PIL import Image, ImageDraw

from reward.chat_wire import ChatWire, loads
from reward.encoding import encode_all
from reward.endpoint import Endpoint
from reward.outcome import Answer, ConnectionLost, Outcome, TryTimedOut, Unreadable, of_answer, of_failure
from reward.reading import masses
from reward.verifier import Query, Reply, VerifierDown
from reward.wire import Wire

KNOWN = (("Is there a red circle in the picture?", "yes"), ("Is there a blue square in the picture?", "no"))
TRIES = 2
log = logging.getLogger("harness")


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe has settled."""

    wire: ChatWire
    served: str
    record: dict[str, Any]


def known_picture() -> Image.Image:
    """A red circle on light grey, 256 x 256."""
    image = Image.new("RGB", (256, 256), (208, 208, 208))
    ImageDraw.Draw(image).ellipse((64, 64, 191, 191), fill=(220, 40, 40))
    return image


def known_queries(picture: bool = True) -> list[Query]:
    """The two questions, whose answers are yes and no."""
    images = (known_picture(),) if picture else ()
    return [Query(images, text) for text, _ in KNOWN]


def ask_once(endpoint: Endpoint, wire: Wire, queries: Sequence[Query], seconds: float) -> tuple[Outcome, Answer | None]:
    """One parcel, tried twice where trying again may help."""
    body = wire.body(queries, encode_all(queries, None))
    outcome, answer = Outcome(status="skipped"), None
    for _ in range(TRIES):
        try:
            answer = endpoint.post(wire.path, body, seconds)
            if answer.status == 200:
                return Outcome(wire.read(loads(answer.body), queries), code=200), answer
            outcome = of_answer(answer, datetime.now(UTC))
        except (TryTimedOut, ConnectionLost, Unreadable) as failure:
            outcome = of_failure(failure)
        if not outcome.again:
            break
    return outcome, answer


def root_of(endpoint: Endpoint, model: str, seconds: float) -> str:
    """What stands behind a model's name, where the server lists it (vLLM); its name alone only echoes the request."""
    try:
        answer = endpoint.get("models", seconds)
        listed = loads(answer.body)["data"] if answer.status == 200 else []
        roots = [one.get("root") for one in listed if one.get("id") == model]
    except (TryTimedOut, ConnectionLost, Unreadable, KeyError, TypeError, AttributeError):
        return ""  # the question itself tells what is wrong with this server
    return roots[0] if roots and isinstance(roots[0], str) and roots[0] != model else ""


def settle(endpoint: Endpoint, wire: ChatWire, mode: str, look: bool, seconds: float) -> Probed:
    """Asks the known questions and adapts to what the server allows; ValueError or VerifierDown says what is wrong.

    Without `look` the questions come without the picture and only the way of asking is settled, not the answers.
    """
    queries = known_queries(look)
    wire = replace(wire, mode="text" if mode == "text" else "logprobs")
    changes: list[str] = []
    while True:
        outcome, answer = ask_once(endpoint, wire, queries[:1], seconds)
        if outcome.replies:
            break
        changed = adapted(wire, mode, answer)
        if changed is None or len(changes) > len(ADAPTATIONS):
            raise refusal(endpoint, wire, outcome, look)
        wire, what = changed
        changes.append(what)
    first = outcome.replies[0]
    if wire.mode == "logprobs" and first.status == "parse_error":
        wire, what = _without_log_probabilities(endpoint, wire, mode, first)
        changes.append(what)
        first = answered(endpoint, wire, queries[0], seconds, look)
    second = answered(endpoint, wire, queries[1], seconds, look)
    if look:
        check_known(f"verifier at {endpoint.told}", [first, second])
    for change in changes:
        log.warning("the verifier at %s: %s", endpoint.told, change)
    record = {"questions": len(KNOWN), "picture": look, "changes": changes, "passed": look or None}
    return Probed(wire, first.served, record)


def answered_all(endpoint: Endpoint, wire: Wire, seconds: float) -> Sequence[Reply]:
    """The replies to both known questions in one call."""
    outcome, _ = ask_once(endpoint, wire, known_queries(), seconds)
    if not outcome.replies:
        raise VerifierDown(f"the verifier at {endpoint.told} does not answer: {outcome.message}")
    return outcome.replies


def answered(endpoint: Endpoint, wire: ChatWire, query: Query, seconds: float, look: bool) -> Reply:
    """The reply to one known question."""
    outcome, _ = ask_once(endpoint, wire, [query], seconds)
    if not outcome.replies:
        raise refusal(endpoint, wire, outcome, look)
    return outcome.replies[0]


def _without_log_probabilities(endpoint: Endpoint, wire: ChatWire, mode: str, first: Reply) -> tuple[ChatWire, str]:
    if mode == "logprobs":
        raise ValueError(
            f"the verifier at {endpoint.told} gives no log-probabilities ({first.error}); start its server with them, "
            "or choose mode=text, which is another metric"
        )
    return replace(wire, mode="text"), "gives no log-probabilities; its words are read instead (mode=text)"


def check_known(place: str, replies: Sequence[Reply]) -> None:
    """VerifierDown when a known answer is wrong, ValueError when it is none."""
    for (text, wanted), reply in zip(KNOWN, replies, strict=True):
        found = masses(reply)
        said = max(found, key=lambda word: found[word], default="")
        if reply.status != "ok":
            raise VerifierDown(
                f"the {place} gave no usable answer to {text!r} about a drawn red circle: "
                f"{reply.error or reply.status}; it said {reply.text[:80]!r}"
            )
        if said != wanted:
            raise VerifierDown(
                f"the {place} answered {said!r} to {text!r} about a drawn red circle, and the "
                f"answer is {wanted!r}: is it a model that sees pictures?"
            )


def refusal(endpoint: Endpoint, wire: ChatWire, outcome: Outcome, look: bool) -> Exception:
    """The sentence for a server that does not answer."""
    place, told = f"the verifier at {endpoint.told}", outcome.message
    if outcome.unknown:
        return ValueError(f"{place}: the name of the server is unknown; check base_url= ({told})")
    if outcome.code in (401, 403):
        return ValueError(f"{place} refuses the key; put the right one into the environment ({told})")
    if outcome.code == 404:
        return ValueError(f"{place} has no model named {wire.model!r}, or base_url= misses its /v1 ({told})")
    if look and outcome.code in (400, 415, 422, 500, 501) and "image" in told.lower():
        return ValueError(f"{place} takes no pictures; serve a vision-language model ({told})")
    if outcome.code and outcome.code < 500 and not outcome.again:
        return ValueError(f"{place} refuses the question ({told})")
    return VerifierDown(f"{place} does not answer: {told}")


def adapted(wire: ChatWire, mode: str, answer: Answer | None) -> tuple[ChatWire, str] | None:
    """The way of asking without what the server complains about, and a sentence about it; None if nothing is left."""
    if answer is None or answer.status not in (400, 422):
        return None
    told = answer.body[:4000].decode("utf-8", "replace").lower()
    for word, change in ADAPTATIONS:
        if word in told:
            found = change(wire, mode)
            if found is not None:
                return found
    return None


def _limit(wire: ChatWire, mode: str) -> tuple[ChatWire, str] | None:  # noqa: ARG001 - one signature for all
    if wire.limit_name == "max_completion_tokens":
        return None
    return replace(wire, limit_name="max_completion_tokens"), "wants max_completion_tokens"


def _sampling(name: str) -> Callable[[ChatWire, str], tuple[ChatWire, str] | None]:
    def change(wire: ChatWire, mode: str) -> tuple[ChatWire, str] | None:  # noqa: ARG001 - one signature for all
        if name not in wire.sampling:
            return None
        rest = {one: value for one, value in wire.sampling.items() if one != name}
        return replace(wire, sampling=rest), f"allows no {name}; it answers with its own"

    return change


def _top(wire: ChatWire, mode: str) -> tuple[ChatWire, str] | None:
    if wire.top > 5:
        return replace(wire, top=5), "gives 5 log-probabilities at most"
    return _words(wire, mode)


def _words(wire: ChatWire, mode: str) -> tuple[ChatWire, str] | None:
    if mode == "logprobs" or wire.mode == "text":
        return None
    return replace(wire, mode="text"), "gives no log-probabilities; its words are read instead (mode=text)"


ADAPTATIONS: tuple[tuple[str, Callable[[ChatWire, str], tuple[ChatWire, str] | None]], ...] = (
    ("max_completion_tokens", _limit),
    ("temperature", _sampling("temperature")),
    ("seed", _sampling("seed")),
    ("top_logprobs", _top),
    ("logprobs", _words),
)
"""What a complaint names, and what is then done without."""
