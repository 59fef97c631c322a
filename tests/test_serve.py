"""harness serve: both wires give what the verifier gives in-process, and nothing else gets in."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.json_lines import read_lines
from harness.main import run
from harness.service import Service, is_local, open_service
from reward import verifier_pixels
from reward.batch_wire import BatchWire
from reward.budget import Budget
from reward.chat_wire import ChatWire
from reward.client import Client, Patience
from reward.encoding import png
from reward.endpoint import Endpoint
from reward.probe import KNOWN, known_picture, known_queries
from reward.verifier import Query, Reply, Verifier
from reward.verifier_http_batch import Arguments as BatchArguments
from reward.verifier_http_batch import build as build_batch
from reward.wire import Wire
from tests.flaky import Flaky

TOKEN = "let-me-in-please"  # noqa: S105 - of this test
EVERYWHERE = "0.0.0.0"  # noqa: S104 - refused below


@contextmanager
def serving(verifier: Verifier, name: str = "pixels", token: str = "") -> Iterator[Service]:
    with open_service(verifier, name, "127.0.0.1", 0, token) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def pixels() -> Iterator[Service]:
    with serving(verifier_pixels.build(verifier_pixels.Arguments())) as service:
        yield service


@pytest.fixture
def guarded() -> Iterator[Service]:
    with serving(verifier_pixels.build(verifier_pixels.Arguments()), token=TOKEN) as service:
        yield service


def send(
    service: Service, path: str, content: Any, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(*service.server_address[:2], timeout=10)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    connection.request("POST", path, body, headers or {})
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def test_the_known_answers_are_known_to_pixels() -> None:
    replies = verifier_pixels.build(verifier_pixels.Arguments()).ask([Query((known_picture(),), q) for q, _ in KNOWN])
    assert [reply.text for reply in replies] == [answer for _, answer in KNOWN]


def scores(folder: Path) -> dict[tuple[str, int, str], Any]:
    rows = read_lines(folder / "verdicts.jsonl")
    return {(row["sample"], row["index"], row["question"]): (row["status"], row["value"]) for row in rows}


def test_eval_over_either_wire_gives_the_scores_of_pixels_in_process(pixels: Service, tmp_path: Path) -> None:
    arguments = ["eval", "--model", "tests.painter", "--limit", "6", "--num-images", "2", "-v", "quiet", "--json"]
    address = pixels.address()
    wires = {
        "here": [],
        "http": ["--verifier", "http", "--verifier-args", f"model=pixels,base_url={address}/v1"],
        "batch": ["--verifier", "http-batch", "--verifier-args", f"base_url={address}"],
    }
    for name, flags in wires.items():
        assert run([*arguments, *flags, "-o", str(tmp_path / name)]) == 0
    here, over_http, over_batch = (scores(tmp_path / name) for name in wires)
    assert over_batch == here
    assert over_http.keys() == here.keys()
    for key, (status, value) in here.items():
        assert over_http[key] == (status, pytest.approx(value, abs=1e-12))
    record = json.loads((tmp_path / "http" / "run.json").read_text())["verifier"]
    assert record["mode"] == "logprobs"
    assert record["served"] == [{"id": record["served_id"], "count": len(here)}]
    assert record["served_id"].startswith("pixels@")


def client(wire: Wire, url: str) -> Client:
    return Client(wire, [Endpoint(url, {}, 64, 64, 5.0)], Patience(), Budget())


def test_soft_answers_survive_the_chat_wire() -> None:
    queries = [Query((known_picture(),), f"question {number}") for number in range(30)]
    with serving(Flaky(0.0), "flaky") as service:
        there = client(ChatWire("flaky", "logprobs"), f"{service.address()}/v1").ask(queries, {})
    for far, near in zip(there, Flaky(0.0).ask(queries), strict=True):
        assert far.probabilities == pytest.approx({k: v for k, v in near.probabilities.items() if v > 0}, abs=1e-12)


def test_the_batch_wire_carries_failures_of_single_queries() -> None:
    queries = [Query((known_picture(),), f"question {number}") for number in range(40)]
    with serving(Flaky(0.4), "flaky") as service:
        there = client(BatchWire(7), service.address()).ask(queries, {})
    here = [(one.status, dict(one.probabilities)) for one in Flaky(0.4).ask(queries)]
    assert [(one.status, dict(one.probabilities)) for one in there] == here
    assert {status for status, _ in here} == {"ok", "timeout"}


class Teller:
    """Finds every text as likely as it is short; answers yes to everything red."""

    id = "teller"
    record: Mapping[str, Any] = {"name": "teller", "mode": "logprobs", "likelihood": True}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [
            Reply("ok", log_likelihood=-float(len(one.continuation)))
            if one.continuation
            else Reply("ok", "", {"yes": float("red" in one.text), "no": float("red" not in one.text)})
            for one in queries
        ]


def test_the_likelihood_of_a_text_travels_in_batches(pixels: Service) -> None:
    with serving(Teller(), "teller") as service:
        far = build_batch(BatchArguments((service.address(),)))
        assert far.record["likelihood"] is True
        asked = [Query((known_picture(),), "?", (), continuation=text) for text in ("a", "abc")]
        assert [one.log_likelihood for one in far.ask([*asked, *known_queries()])] == [-1.0, -3.0, None, None]
    assert build_batch(BatchArguments((pixels.address(),))).record["likelihood"] is False


def test_a_token_is_asked_for_and_told_to_nobody(
    guarded: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("HARNESS_TOKEN", raising=False)
    flags = ["eval", "-M", "tests.painter", "-L", "1", "-v", "quiet", "-o", str(tmp_path / "run")]
    flags += ["--verifier", "http-batch", "--verifier-args", f"base_url={guarded.address()}"]
    assert run(flags) == 2
    assert "refuses the token; put the right one into HARNESS_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("HARNESS_TOKEN", TOKEN)
    assert run(flags) == 0
    printed = capsys.readouterr()
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"let-me-in" not in written
    assert "let-me-in" not in printed.err + printed.out


def encoded() -> str:
    return base64.b64encode(png(known_picture())).decode()


def batch(**change: Any) -> dict[str, Any]:
    query = {"id": "0", "images": ["a"], "text": KNOWN[0][0], "answers": ["yes", "no"]}
    return {"protocol": 1, "images": {"a": encoded()}, "queries": [query], **change}


def message(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


@pytest.mark.parametrize(
    ("path", "content", "code", "said"),
    [
        ("/v1/verify", b"{broken", 400, "not JSON"),
        ("/v1/verify", b"[1]", 400, "no object"),
        ("/v1/verify", batch(protocol=2), 400, "protocol 1, not 2"),
        ("/v1/verify", batch(queries=[{"id": "0", "text": "x"}] * 2), 400, "no ids of their own"),
        ("/v1/verify", batch(images={}), 400, "no image of query '0' named 'a'"),
        ("/v1/verify", batch(images={"a": "bm8="}), 400, "cannot be read"),
        ("/v1/verify", batch(queries=[{"id": str(one), "text": "x"} for one in range(65)]), 400, "at most 64"),
        ("/v1/nothing", b"{}", 404, "nothing at"),
        ("/v1/chat/completions", {"model": "gpt", "messages": []}, 404, "no model named 'gpt'"),
        ("/v1/chat/completions", {"model": "pixels", "messages": []}, 400, "no messages"),
        ("/v1/chat/completions", {"model": "pixels", "messages": message("http://127.0.0.1/a.png")}, 400, "no address"),
        ("/v1/chat/completions", {"model": "pixels", "messages": message("file:///etc/passwd")}, 400, "no address"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_name(
    pixels: Service, path: str, content: Any, code: int, said: str
) -> None:
    status, answer = send(pixels, path, content)
    assert status == code
    assert said in answer["error"]["message"]


def test_bodies_are_bounded(pixels: Service) -> None:
    status, answer = send(pixels, "/v1/verify", b"", {"Content-Length": str(9 << 20)})
    assert status == 413
    assert "larger than" in answer["error"]["message"]


def test_the_addresses_of_this_machine_alone_need_no_token() -> None:
    assert is_local("127.0.0.1")
    assert is_local("localhost")
    assert is_local("::1")
    assert not is_local(EVERYWHERE)
    with pytest.raises(ValueError, match="HARNESS_TOKEN"):
        open_service(Flaky(0.0), "flaky", EVERYWHERE, 0, "")
