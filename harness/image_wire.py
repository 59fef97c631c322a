"""OpenAI's image protocol: one picture a call, drawn from a prompt as JSON, or edited by a form with files.

A query's images are the sources, its text the prompt and its attempt the seed; a reply's text is the picture as base64.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from reward.encoding import Encoded, spoken
from reward.outcome import Unreadable
from reward.verifier import Query, Reply

BOUNDARY = "image-harness-7d5f0c3a9b1e4826"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
"""The content type of an edit."""


@dataclass(frozen=True, slots=True)
class DrawWire:
    """How pictures are asked for."""

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: bool = False
    """Whether the server is told a seed"""

    @property
    def path(self) -> str:
        """Where prompts are drawn."""
        return "images/generations"

    def parcels(self, queries: Sequence[Query]) -> list[list[int]]:
        """Each picture in a call of its own, so that one refusal costs one picture."""
        return [[place] for place in range(len(queries))]

    def fields(self, query: Query) -> dict[str, Any]:
        """All that is asked but the sources."""
        seed = {"seed": query.attempt} if self.seeds else {}
        return {"model": self.model, "prompt": spoken(query.text), "n": 1, **self.options, **seed}

    def body(self, queries: Sequence[Query], pictures: Mapping[int, Encoded]) -> bytes:  # noqa: ARG002 - none travel
        """The request of one picture."""
        return json.dumps(self.fields(queries[0]), separators=(",", ":")).encode()

    def read(self, content: Any, queries: Sequence[Query]) -> list[Reply]:  # noqa: ARG002 - a picture answers one
        """The picture; Unreadable for what is no answer of this protocol."""
        return [read_picture(content)]


@dataclass(frozen=True, slots=True)
class EditWire(DrawWire):
    """How edits are asked for: the same fields, and the sources as PNG files."""

    @property
    def path(self) -> str:
        """Where pictures are edited."""
        return "images/edits"

    def body(self, queries: Sequence[Query], pictures: Mapping[int, Encoded]) -> bytes:
        """The form of one picture."""
        query = queries[0]
        name = "image" if len(query.images) == 1 else "image[]"
        parts: list[tuple[str, Any]] = [(key, plain_text(value)) for key, value in self.fields(query).items()]
        for place, image in enumerate(query.images):
            file = base64.b64decode(pictures[id(image)].base64())
            parts.append((name, (f"source{place}.png", file, "image/png")))
        return encode_multipart_formdata(parts, boundary=BOUNDARY)[0]


def plain_text(value: Any) -> str:
    """A form's value."""
    return value if isinstance(value, str) else json.dumps(value)


def read_picture(content: Any) -> Reply:
    """A reply from an answer's JSON."""
    listed = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(listed, list) or not listed or not isinstance(listed[0], Mapping):
        raise Unreadable("the answer holds no list of pictures")
    picture, usage = listed[0].get("b64_json"), content.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    counts = [usage.get("input_tokens"), usage.get("output_tokens")]
    tokens = [one if isinstance(one, int) and one >= 0 else 0 for one in counts]
    served = content.get("model") if isinstance(content.get("model"), str) else ""
    if not isinstance(picture, str):
        told = "an address in its place; ask for call=response_format:b64_json" if listed[0].get("url") else "none"
        return Reply("parse_error", error=f"the answer should hold a picture as base64 and holds {told}", served=served)
    return Reply("ok", picture, served=served, tokens_in=tokens[0], tokens_out=tokens[1])
