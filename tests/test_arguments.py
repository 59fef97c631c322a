"""Arguments from the command line: three ways to write them, one way to read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.arguments import fill, parse_arguments


@dataclass(frozen=True, slots=True)
class Arguments:
    """One field of every type."""

    path: Path
    steps: int = 20
    scale: float = 3.0
    fast: bool = False
    name: str = ""
    side: int | None = None
    kinds: tuple[str, ...] = ()
    mode: Literal["text", "json"] = "text"


def test_pairs_json_and_a_file_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text('{"path": "/a", "steps": "5"}')
    wanted = {"path": "/a", "steps": "5"}
    assert parse_arguments("path=/a, steps=5") == wanted
    assert parse_arguments('{"path": "/a", "steps": "5"}') == wanted
    assert parse_arguments(f"@{file}") == wanted
    assert parse_arguments("") == {}
    assert parse_arguments("url=http://host/v1?a=b") == {"url": "http://host/v1?a=b"}


def test_values_take_the_type_of_their_field() -> None:
    text = "path=/a,steps=5,scale=1,fast=true,name=x,side=32,kinds=a+b,mode=json"
    assert fill(Arguments, parse_arguments(text), "model 'x'") == Arguments(
        Path("/a"), 5, 1.0, True, "x", 32, ("a", "b"), "json"
    )
    given = {"path": "/a", "steps": 5, "scale": 1, "fast": True, "side": None, "kinds": ["a", "b"]}
    assert fill(Arguments, given, "model 'x'") == Arguments(Path("/a"), 5, 1.0, True, "", None, ("a", "b"))
    assert isinstance(fill(Arguments, given, "model 'x'").scale, float)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "model 'x' needs path="),
        ({"path": "/a", "stpes": 1}, "no argument of model 'x' named 'stpes'; did you mean 'steps'?"),
        ({"path": "/a", "steps": "many"}, "model 'x': steps='many' is not int"),
        ({"path": "/a", "steps": 1.5}, "steps=1.5 is not int"),
        ({"path": "/a", "steps": True}, "steps=True is not int"),
        ({"path": "/a", "fast": "perhaps"}, "fast='perhaps' is neither true nor false"),
        ({"path": "/a", "mode": "jsn"}, "no value of model 'x': mode named 'jsn'; did you mean 'json'?"),
        ({"path": "/a", "side": "wide"}, "side='wide' is not int"),
        ({"path": "/a", "scale": "nan"}, "scale='nan' is no finite number"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="model 'x'") as told:
        fill(Arguments, given, "model 'x'")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        "key=abc123",
        "token=abc123",
        "password=abc123",
        "api_key=abc123",
        "apikey=abc123",
        "hf-token=abc123",
        "accessToken=abc123",
        "OPENAI_API_KEY=abc123",
        '{"headers": {"token": "abc123"}}',
        '{"servers": [{"client_secret": "abc123"}]}',
        "base_url=http://me:abc123@host/v1",
    ],
)
def test_secrets_are_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text(text if text.startswith("{") else json.dumps(dict([text.split("=", 1)])))
    for given in (text, f"@{file}"):
        with pytest.raises(ValueError, match="secrets come from the environment only") as told:
            parse_arguments(given)
        assert "abc123" not in str(told.value)


def test_names_that_only_look_like_secrets_pass() -> None:
    assert parse_arguments("max_tokens=5,keyframes=2,monkey=1,tokenizer=x") == {
        "max_tokens": "5", "keyframes": "2", "monkey": "1", "tokenizer": "x"
    }  # fmt: skip
