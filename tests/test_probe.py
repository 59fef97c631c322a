"""The start-up probe settles how a server is asked, or says in one sentence why it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.main import run
from reward.chat_wire import ChatWire
from reward.endpoint import Endpoint
from reward.probe import Probed, root_of, settle
from reward.verifier import VerifierDown
from tests.server import Act, Faulty, Script, chat, running, sees


def probe(server: Faulty, mode: str = "auto", look: bool = True) -> Probed:
    return settle(Endpoint(server.url, {}, 8, 8, 1.0), ChatWire("m", "logprobs"), mode, look, 2.0)


def error(message: str, code: int = 400) -> Act:
    return Act(code, json.dumps({"error": {"message": message}}).encode())


def test_a_polite_server_is_asked_as_it_is_and_twice() -> None:
    with running(sees) as server:
        probed = probe(server)
    assert (probed.wire.mode, probed.served, probed.record["changes"]) == ("logprobs", "seer-1", [])
    assert len(server.requests) == 2
    assert server.requests[0]["messages"][0]["content"][0]["type"] == "image_url"
    assert server.requests[0]["max_tokens"] == 1


def without(name: str, complaint: str) -> Script:
    def script(request: dict[str, Any], number: int) -> Act:
        return error(complaint) if name in request else sees(request, number)

    return script


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("max_tokens", "max_tokens is not supported with this model, use max_completion_tokens"),
        ("temperature", "temperature does not support 0"),
        ("seed", "unknown parameter: seed"),
    ],
)
def test_what_a_server_does_not_allow_is_done_without(name: str, complaint: str) -> None:
    with running(without(name, complaint)) as server:
        probed = probe(server)
    assert len(probed.record["changes"]) == 1
    assert name not in server.requests[-1]
    assert probed.wire.mode == "logprobs"


def words_only(request: dict[str, Any], number: int) -> Act:
    return Act(body=chat("No." if "blue" in json.dumps(request) else "Yes."))


def test_words_are_read_only_where_the_probe_finds_no_log_probabilities() -> None:
    with running(words_only) as server:
        probed = probe(server)
        assert probed.wire.mode == "text"
        assert "log-probabilities" in probed.record["changes"][0]
        with pytest.raises(ValueError, match="gives no log-probabilities"):
            probe(server, "logprobs")
    with running(without("logprobs", "logprobs is not supported")) as server:
        assert probe(server).wire.mode == "text"


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        (lambda r, n: error("Incorrect API key provided", 401), ValueError, "refuses the key"),
        (lambda r, n: error("The model `m` does not exist", 404), ValueError, "has no model named 'm'"),
        (lambda r, n: error("image_url is only supported by vision models"), ValueError, "takes no pictures"),
        (lambda r, n: error("image input is not supported", 500), ValueError, "takes no pictures"),
        (lambda r, n: error("strange"), ValueError, "refuses the question"),
        (lambda r, n: Act(body=b"<html>hello</html>"), VerifierDown, "not JSON"),
        (lambda r, n: Act(hang_up=True), VerifierDown, "does not answer"),
        (lambda r, n: Act(body=chat("yes", {"yes": -0.1})), VerifierDown, "answered 'yes' to 'Is there a blue square"),
        (lambda r, n: Act(body=chat("maybe", {"maybe": -0.1})), VerifierDown, "answered 'maybe'"),
    ],
)
def test_what_is_wrong_with_a_server_is_one_sentence(script: Script, kind: type[Exception], said: str) -> None:
    with running(script) as server, pytest.raises(kind, match=said):
        probe(server)


def test_without_the_picture_only_the_way_of_asking_is_settled() -> None:
    with running(lambda r, n: Act(body=chat("yes", {"yes": -0.1}))) as server:
        probed = probe(server, look=False)
    assert probed.record == {"questions": 2, "picture": False, "changes": [], "passed": None}
    assert isinstance(server.requests[0]["messages"][0]["content"], str)


def test_what_stands_behind_an_alias_is_asked_for() -> None:
    with running(sees) as server:
        endpoint = Endpoint(server.url, {}, 8, 8, 1.0)
        assert root_of(endpoint, "m", 1.0) == ""


def verifying(server_url: str, folder: Path, *more: str) -> list[str]:
    arguments = ["eval", "-M", "tests.painter", "-L", "1", "-v", "quiet", "-o", str(folder), "--verifier", "http"]
    return [*arguments, "--verifier-args", ",".join([f"model=m,base_url={server_url}", "timeout=2", *more])]


def test_a_run_does_not_begin_without_a_verifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(sees) as server:
        closed = server.url
    cases = [
        (verifying(closed, tmp_path / "a"), 4, "does not answer"),
        (verifying("http://no-such-host.invalid/v1", tmp_path / "b"), 2, "the name of the server is unknown"),
        (verifying("localhost:8000", tmp_path / "c"), 2, "is no address"),
        (verifying("http://me:secret@localhost/v1", tmp_path / "d"), 2, "secrets come from the environment"),
        (verifying(closed, tmp_path / "e", "api_key=sk-1"), 2, "OPENAI_API_KEY"),
        (verifying(closed, tmp_path / "f", "tries=0"), 2, "tries=0 must be more than 0"),
        (verifying(closed, tmp_path / "g", "max_cost=1"), 2, "max_cost= needs price_in="),
        (verifying(closed, tmp_path / "h", "modell=x"), 2, "did you mean 'model'"),
    ]
    for arguments, code, said in cases:
        assert run(arguments) == code
        printed = capsys.readouterr().err
        assert said in printed
        assert "Traceback" not in printed
        assert "sk-1" not in printed
        assert not Path(arguments[7], "run.json").exists()


def test_a_planted_key_is_nowhere_when_a_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "sk-planted-4f3a9c"
    monkeypatch.setenv("OPENAI_API_KEY", key)

    def tells(request: dict[str, Any], number: int) -> Act:
        return sees(request, number) if number < 2 else error(f"the key {key} has expired", 401)

    with running(tells) as server:
        arguments = verifying(server.url, tmp_path / "run", "tries=1")
        assert run([*arguments, "--num-images", "3", "--batch-size", "1"]) == 4
        assert server.headers[0]["Authorization"] == f"Bearer {key}"
    assert "the key *** has expired" in capsys.readouterr().err
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any(path.name == "verdicts.jsonl" for path in written)
    assert not any(key.encode() in path.read_bytes() for path in written)
