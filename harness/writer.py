"""The language model that writes: a server's, or one of transformers in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.arguments import fill
from reward import verifier_http
from reward.decomposition import SCHEMA
from reward.structured import ask_for_form, response_format
from reward.verifier import Verifier


def open_writer(name: str, arguments: Mapping[str, Any], limits: Mapping[str, Any]) -> Verifier:
    """The writer; a server is probed without a picture, and asked for JSON of the form of decompositions if it can."""
    if name == "local":
        from reward import language_model

        for limit in limits:
            raise ValueError(f"--{limit.replace('_', '-')} bounds what is asked of a server, and local asks none")
        return language_model.build(fill(language_model.Arguments, arguments, "language model 'local'"))
    given = {"probe": "reach", **arguments, **limits}
    writer = verifier_http.build(fill(verifier_http.Arguments, given, "verifier 'http'"))
    ask_for_form(writer, response_format("questions", SCHEMA))
    return writer
