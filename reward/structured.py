"""Asks a server for JSON of a given form (`response_format` of OpenAI's chat protocol), where it takes that."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reward.chat_wire import ChatWire
from reward.probe import ask_once
from reward.verifier import Query
from reward.verifier_http import HttpVerifier

EMPTY = 'Answer with the JSON object {"questions": []} and nothing else.'
"""A request that any form of a list of questions allows."""
REFUSALS = (400, 404, 415, 422, 500, 501)
log = logging.getLogger("harness")


def response_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a request that names a form."""
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


def ask_for_form(verifier: HttpVerifier, form: Mapping[str, Any]) -> bool:
    """Whether every server takes the form, which is then asked for in each free answer; one that refuses is named."""
    client = verifier.client
    if not isinstance(client.wire, ChatWire):
        return False
    wire = replace(client.wire, form=form)
    for endpoint in client.endpoints:
        outcome, _ = ask_once(endpoint, wire, [Query((), EMPTY, (), 64)], client.patience.timeout)
        if outcome.code in REFUSALS:
            log.warning(
                "the model at %s takes no response_format (%s); its JSON is read as it comes",
                endpoint.told, outcome.message,
            )  # fmt: skip
            return False
    client.wire = wire
    return True
