"""Arguments from the command line: `k=v,k=v`, JSON or `@file.json`, into a module's own dataclass."""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from tasks.registry import unknown

SECRETS = ("key", "apikey", "token", "password", "passwd", "secret", "credentials")
"""Last words of names whose values are secrets."""
WORDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
"""What lies between the words of `api_key`, `hf-token`, `accessToken`."""
WHERE = ": OPENAI_API_KEY for a server of OpenAI's protocol, HARNESS_TOKEN for one of ours, HF_TOKEN for the hub"
LOGIN = re.compile(r"://[^/\s@]*:[^/\s@]+@")
"""A password inside an address."""


def parse_arguments(text: str) -> dict[str, Any]:
    """`a=1,b=x`, a JSON object, or `@file.json` holding one; ValueError says what is wrong with anything else."""
    text = text.strip()
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"the arguments file {text[1:]} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"the arguments file {text[1:]} is not UTF-8: {error}") from None
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"the arguments are not JSON: {error}") from None
    else:
        found = dict(_pair(part) for part in text.split(",") if part.strip())
    refuse_secrets("", found)
    return dict(found)


def refuse_secrets(name: str, value: Any) -> None:
    """ValueError names an argument, however deep, that would put a secret into the record; its value is not told."""
    if WORDS.split(name)[-1].lower() in SECRETS:
        raise ValueError(f"{name}= is a secret and secrets come from the environment only{WHERE}")
    if isinstance(value, str) and LOGIN.search(value):
        raise ValueError(f"{name}= holds a password and secrets come from the environment only")
    if isinstance(value, dict):
        for inner, one in value.items():
            refuse_secrets(str(inner), one)
    if isinstance(value, list):
        for one in value:
            refuse_secrets(name, one)


def _pair(part: str) -> tuple[str, str]:
    name, sign, value = part.partition("=")
    if not sign or not name.strip():
        raise ValueError(f"{part.strip()!r} is not of the form name=value")
    return name.strip(), value.strip()


def fill(kind: type[Any], given: Mapping[str, Any], owner: str) -> Any:
    """The dataclass `kind` with the given values converted to its types; ValueError names what does not fit."""
    known = {one.name: one for one in fields(kind)}
    hints = typing.get_type_hints(kind)
    for name in given:
        if name not in known:
            raise ValueError(unknown(f"argument of {owner}", name, known) if known else f"{owner} takes no arguments")
    missing = [
        name
        for name, one in known.items()
        if name not in given and one.default is MISSING and one.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f"{owner} needs {', '.join(f'{name}=' for name in missing)}")
    return kind(**{name: _convert(value, hints[name], f"{owner}: {name}") for name, value in given.items()})


def _convert(value: Any, hint: Any, place: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None or (value == "none" and type(None) in inner):
            return None
        literal = next((one for one in inner if typing.get_origin(one) is typing.Literal), None)
        if value in typing.get_args(literal):
            return value
        return _convert(value, next(one for one in inner if one not in (type(None), literal)), place)
    if origin is typing.Literal:
        if value not in inner:
            raise ValueError(unknown(f"value of {place}", str(value), [str(one) for one in inner]))
        return value
    if origin is tuple:
        parts = value if isinstance(value, list | tuple) else str(value).split("+")
        return tuple(_convert(part, inner[0], place) for part in parts)
    if hint is bool:
        words = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        if str(value).lower() not in words:
            raise ValueError(f"{place}={value!r} is neither true nor false")
        return words[str(value).lower()]
    if hint is str and isinstance(value, list | tuple):
        return ",".join(str(one) for one in value)
    if hint is str and isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, bool) or (hint is int and isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{place}={value!r} is not {hint.__name__}")
    try:
        found = hint(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{place}={value!r} is not {hint.__name__}") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError(f"{place}={value!r} is no finite number")
    return found
