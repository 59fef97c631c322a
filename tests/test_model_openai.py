"""openai: a server of our own that draws, edits, refuses, fails and charges as image APIs do."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.main import run
from harness.model import Setting
from harness.model_openai import Arguments, OpenAiModel, build
from tasks.sample import Failure, Request, Response
from tests.server import Act, Faulty, Player

SOURCE = Image.new("RGB", (8, 8), (10, 200, 30))


class Studio(Player):
    """Reads forms as well as JSON."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = self.headers["Content-Type"].startswith("multipart/form-data")
        request = {"form": body.decode("latin-1")} if form else json.loads(body)
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append({"path": self.path, **request})
            self.server.headers.append(dict(self.headers))
        self.play(self.server.script(request, number))

    def do_GET(self) -> None:
        self.play(Act(401) if "Bearer wrong" in self.headers.get("Authorization", "") else Act(body=b'{"data": []}'))


def picture(colour: str = "red", **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(buffer, "PNG")
    listed = [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]
    return json.dumps(
        {"created": 1, "data": listed, "usage": {"input_tokens": 7, "output_tokens": 100}, **more}
    ).encode()


def paints(request: dict[str, Any], number: int) -> Act:
    """Red for what is drawn, blue for what is edited."""
    return Act(body=picture("blue" if "form" in request else "red"))


@contextmanager
def studio(script: Callable[[dict[str, Any], int], Act]) -> Iterator[Faulty]:
    import threading

    with Faulty(script) as server:
        server.RequestHandlerClass = Studio
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def model(server: Faulty, **given: Any) -> OpenAiModel:
    found = build(Arguments("gpt-image-1", (server.url,), **given), Setting())
    for client in (found.draws, found.edits):
        client.jitter = lambda _: 0.01
    return found


def test_prompts_are_drawn_and_pictures_edited_each_at_its_own_address() -> None:
    with studio(paints) as server:
        painter = model(server, size="512x512", call="background:opaque", seeds=True)
        requests = [
            Request("a cube"),
            Request("make it red", (SOURCE,)),
            Request("mix them", (SOURCE, SOURCE.rotate(90))),
        ]
        found = painter.generate(requests, [5, 6, 7])
        asked = {one["path"]: one for one in server.requests}
        forms = [one["form"] for one in server.requests if "form" in one]
    colours = [one.image.getpixel((0, 0)) for one in found if isinstance(one, Response)]
    assert colours == [(255, 0, 0), (0, 0, 255), (0, 0, 255)]
    assert asked["/v1/images/generations"] == {
        "path": "/v1/images/generations", "model": "gpt-image-1", "prompt": "a cube", "n": 1, "size": "512x512",
        "background": "opaque", "seed": 5,
    }  # fmt: skip
    single, several = sorted(forms, key=len)
    assert 'name="image"; filename="source0.png"' in single
    assert 'name="prompt"\r\n\r\nmake it red' in single
    assert several.count('name="image[]"') == 2
    assert "\x89PNG" in single
    assert [one.tokens for one in found if isinstance(one, Response)] == [(7, 100)] * 3


def test_equal_prompts_with_other_seeds_are_other_pictures() -> None:
    with studio(paints) as server:
        assert len(model(server).generate([Request("tea")] * 3, [1, 2, 3])) == 3
        assert len(server.requests) == 3


def test_a_model_that_would_answer_with_addresses_is_asked_for_base64() -> None:
    with studio(paints) as server:
        build(Arguments("dall-e-3", (server.url,)), Setting()).generate([Request("tea")], [1])
        assert server.requests[0]["response_format"] == "b64_json"
        assert "response_format" not in model(server).draws.wire.options  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("act", "status", "told", "calls"),
    [
        (Act(400, b'{"error": {"code": "moderation_blocked", "message": "not this"}}'), "refused", "not this", 1),
        (Act(400, b'{"error": {"code": "invalid_size", "message": "no such size"}}'), "transport_error", "no such", 1),
        (Act(500, b"oops"), "transport_error", "HTTP 500: oops", 3),
        (Act(200, b"<html>"), "transport_error", "is not JSON", 3),
        (Act(200, b'{"data": []}'), "transport_error", "no list of pictures", 3),
        (Act(200, b'{"data": [{"url": "http://x"}]}'), "parse_error", "response_format:b64_json", 1),
        (Act(200, b'{"data": [{"b64_json": "AAAA"}]}'), "parse_error", "no picture that can be read", 1),
        (Act(200, picture()[:200], cut=100), "transport_error", "lost", 3),
        (Act(hang_up=True), "transport_error", "lost", 3),
        (Act(before=3.0, body=picture()), "timeout", "no whole answer", 3),
        (Act(401, b"{}"), "transport_error", "HTTP 401", 1),
    ],
    ids=["moderated", "wrong", "500", "html", "empty", "address", "noise", "cut", "hang", "slow", "key"],
)
def test_what_fails_is_a_failure_with_its_reason_and_never_a_picture(
    act: Act, status: str, told: str, calls: int
) -> None:
    with studio(lambda request, number: act) as server:
        found = model(server, timeout=0.3 if act.before else 5.0).generate([Request("tea")], [1])[0]
        assert len(server.requests) == calls
    assert isinstance(found, Failure)
    assert found.status == status
    assert told in found.message


def test_a_busy_server_is_waited_for_and_a_budget_ends_the_spending() -> None:
    busy = iter([Act(429, b"{}", {"Retry-After": "0.05"}), Act(503), Act(body=picture())])
    with studio(lambda request, number: next(busy)) as server:
        assert isinstance(model(server).generate([Request("tea")], [1])[0], Response)
    with studio(paints) as server:
        painter = model(server, max_cost=0.05, price_image=0.02, start=1, concurrency=1)
        found = painter.generate([Request("tea")] * 4, range(4))
        assert len(server.requests) == 2
        assert painter.draws.budget.cost() == pytest.approx(0.04)
        assert [type(one) for one in found] == [Response, Response, Failure, Failure]
        again = painter.generate([Request("tea")], [9])[0]
        assert isinstance(again, Failure)
        assert again.status == "skipped"
        assert "the budget of 0.05 is spent" in again.message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"call": "prompt:x"}, "call= sets prompt"),
        ({"timeout": 0.0}, "model argument timeout=0.0 must be more than 0"),
        ({"base_url": ("ftp://x",)}, "is no address"),
        ({"base_url": ("http://127.0.0.1:1/v1",)}, "the image server does not answer"),
        ({"max_cost": 1.0}, "max_cost= needs price_in="),
    ],
)
def test_a_wrong_argument_of_the_model_is_one_sentence(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build(Arguments("m", **given), Setting())


def test_a_run_counts_tokens_keeps_refusals_apart_and_tells_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = b'{"error": {"code": "moderation_blocked", "message": "no: sk-secret-1234"}}'
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234")
    with studio(lambda request, number: Act(400, blocked) if number == 1 else paints(request, number)) as server:
        arguments = ["eval", "-M", "openai", "-a", f"model=gpt-image-1,base_url={server.url}", "-L", "2",
                     "--num-images", "2", "--min-coverage", "0.5", "-o", str(tmp_path), "--json"]  # fmt: skip
        assert run(arguments) == 0
        assert all(one["Authorization"] == "Bearer sk-secret-1234" for one in server.headers)
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        assert run([*arguments[:-2], str(tmp_path / "other")]) == 2
    printed = capsys.readouterr()
    results = json.loads(printed.out)
    assert results["cost"]["generate"]["tokens_out"] == 300
    assert results["by_status"]["images"] == {"ok": 3, "refused": 1}
    assert "refuses the key (HTTP 401)" in printed.err
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json*"))
    assert "sk-secret" not in kept + printed.err
