"""The HTTP client against a server that misbehaves: the table of harness.md 5.5, hangs, cuts, lies, restarts (T34)."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from urllib3.util.wait import wait_for_read

from reward.budget import Budget
from reward.chat_wire import ChatWire
from reward.client import Client, Patience
from reward.connection import Connections
from reward.endpoint import Endpoint
from reward.outcome import ConnectionLost
from reward.verifier import Query, Reply, VerifierDown
from tests.server import Act, Faulty, chat, running, sees, text_of

FACTS: Mapping[str, Any] = {"mode": "logprobs"}
PATIENCE = Patience(timeout=0.6, total=5.0, tries=3)
YES = chat("yes", {"yes": -0.1, "no": -2.5})


def client(*urls: str, patience: Patience = PATIENCE, start: int = 8, **more: Any) -> Client:
    """A client that pauses only as long as it is told to."""
    endpoints = [Endpoint(url, {}, 64, start, 0.5) for url in urls]
    budget = more.pop("budget", Budget())
    return Client(ChatWire("m", "logprobs"), endpoints, patience, budget, jitter=lambda most: 0.0, **more)


def questions(count: int) -> list[Query]:
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    return [Query((image,), f"question {number}?") for number in range(count)]


def ask_one(server: Faulty, **more: Any) -> Reply:
    return client(server.url, **more).ask(questions(1), FACTS)[0]


def always(act: Act) -> Callable[[dict[str, Any], int], Act]:
    return lambda request, number: act


def then_well(*acts: Act) -> Callable[[dict[str, Any], int], Act]:
    return lambda request, number: acts[number] if number < len(acts) else Act(body=YES)


REFUSAL = chat("yes", {"yes": -0.1}).replace(b'"role"', b'"refusal": "I will not", "role"')
POLICY = b'{"error": {"message": "no", "code": "content_policy_violation"}}'
QUOTA = b'{"error": {"message": "pay", "code": "insufficient_quota"}}'

TABLE = [
    ("readable", Act(body=YES), "ok", 1),
    ("refusal", Act(body=REFUSAL), "refused", 1),
    ("cut body", Act(body=YES, cut=40), "transport_error", 3),
    ("no JSON", Act(body=b"{broken"), "transport_error", 3),
    ("HTML", Act(body=b"<html><body>Bad gateway</body></html>"), "transport_error", 3),
    ("another JSON", Act(body=b'{"detail": "hello"}'), "transport_error", 3),
    ("no log-probabilities", Act(body=chat("yes")), "parse_error", 1),
    ("probabilities of other words", Act(body=chat("yes", {"maybe": -0.1})), "ok", 1),
    ("408", Act(408), "timeout", 3),
    ("try timed out", Act(before=1.2, body=YES), "timeout", 3),
    ("a trickle", Act(trickle=0.1, body=YES), "timeout", 3),
    ("409", Act(409), "transport_error", 3),
    ("425", Act(425), "transport_error", 3),
    ("500", Act(500), "transport_error", 3),
    ("502", Act(502), "transport_error", 3),
    ("504", Act(504), "transport_error", 3),
    ("connection lost", Act(hang_up=True), "transport_error", 3),
    ("quota", Act(429, QUOTA), "transport_error", 1),
    ("401", Act(401), "transport_error", 1),
    ("403", Act(403), "transport_error", 1),
    ("400", Act(400, b"bad \n request"), "transport_error", 1),
    ("404", Act(404), "transport_error", 1),
    ("413", Act(413), "transport_error", 1),
    ("415", Act(415), "transport_error", 1),
    ("422", Act(422), "transport_error", 1),
    ("418", Act(418), "transport_error", 1),
    ("redirect", Act(302, headers={"Location": "http://127.0.0.1:1/v1"}), "transport_error", 1),
    ("content policy", Act(400, POLICY), "refused", 1),
]


@pytest.mark.parametrize(("act", "status", "tries"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_came_back_decides_status_and_tries(act: Act, status: str, tries: int) -> None:
    with running(always(act)) as server:
        reply = ask_one(server)
    assert (reply.status, reply.tries, len(server.requests)) == (status, tries, tries)
    assert reply.error or status == "ok"
    assert reply.probabilities == {} or status == "ok"


@pytest.mark.parametrize("act", [Act(500), Act(408), Act(body=b"<html>"), Act(hang_up=True), Act(before=1.2, body=YES)])
def test_a_fault_that_passes_costs_a_try_and_no_answer(act: Act) -> None:
    with running(then_well(act)) as server:
        reply = ask_one(server)
    assert (reply.status, reply.tries) == ("ok", 2)
    assert reply.probabilities["yes"] == pytest.approx(0.9048, abs=1e-4)


@pytest.mark.parametrize("code", [429, 503, 529])
def test_a_busy_server_costs_time_but_no_try(code: int) -> None:
    with running(then_well(*[Act(code)] * 6)) as server:
        asker = client(server.url)
        (reply,) = asker.ask(questions(1), FACTS)
    assert (reply.status, reply.tries) == ("ok", 7)
    assert [limit for _, limit in asker.endpoints[0].limit.history][:3] == [4, 2, 1]
    assert asker.endpoints[0].breaker.losses == 0


def test_retry_after_is_waited_for() -> None:
    with running(then_well(Act(429, headers={"Retry-After": "0.4"}))) as server:
        assert ask_one(server).seconds >= 0.4


def test_a_retry_after_beyond_the_total_ends_the_query_at_once() -> None:
    with running(always(Act(429, headers={"Retry-After": "3600"}))) as server:
        start = time.monotonic()
        reply = ask_one(server)
    assert (reply.status, reply.tries) == ("transport_error", 1)
    assert time.monotonic() - start < 3


def test_endless_429_ends_with_the_total_and_does_not_open_the_breaker() -> None:
    with running(always(Act(429, headers={"Retry-After": "0.1"}))) as server:
        asker = client(server.url, patience=Patience(0.5, 1.0, 3))
        replies = asker.ask(questions(12), FACTS)
    assert {one.status for one in replies} == {"transport_error"}
    assert max(one.seconds for one in replies) < 4
    assert asker.endpoints[0].breaker.openings == 0


def test_a_timeout_halves_the_limit_and_a_plain_error_does_not() -> None:
    for act, expected in ((Act(408), True), (Act(500), False)):
        with running(then_well(act)) as server:
            asker = client(server.url)
            asker.ask(questions(1), FACTS)
        assert (asker.endpoints[0].limit.now < 8) is expected


@pytest.mark.parametrize("act", [Act(401), Act(403), Act(429, QUOTA)])
def test_a_refused_key_ends_the_run_after_what_is_in_flight(act: Act) -> None:
    with running(always(act)) as server:
        asker = client(server.url, start=1)
        replies = asker.ask(questions(20), FACTS)
        assert {one.status for one in replies} == {"transport_error", "skipped"}
        assert len(server.requests) == 1
        with pytest.raises(VerifierDown, match=f"HTTP {act.code}"):
            asker.ask(questions(1), FACTS)
        assert len(server.requests) == 1


def test_ten_lost_queries_open_the_breaker_and_the_third_time_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reward.limit.REST", 0.2)
    with running(always(Act(500))) as server:
        asker = client(server.url)
        replies = asker.ask(questions(40), FACTS)
        lost = [one for one in replies if one.status == "transport_error"]
        assert 12 <= len(lost) < 40
        assert {one.status for one in replies} == {"transport_error", "skipped"}
        with pytest.raises(VerifierDown, match="HTTP 500"):
            asker.ask(questions(1), FACTS)


def test_replies_belong_to_their_questions_whatever_the_order_they_come_in() -> None:
    def echo(request: dict[str, Any], number: int) -> Act:
        chance = int(text_of(request).split()[1].rstrip("?"))
        return Act(before=0.002 * (40 - chance % 40), body=chat("yes", {"yes": -0.01 * chance - 0.01}))

    with running(echo) as server:
        replies = client(server.url, start=32).ask(questions(40), FACTS)
    found = [round(one.probabilities["yes"], 6) for one in replies]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 40


def test_equal_questions_are_asked_once_also_from_two_threads() -> None:
    with running(always(Act(before=0.3, body=YES))) as server:
        asker = client(server.url)
        found: list[Sequence[Reply]] = []
        threads = [threading.Thread(target=lambda: found.append(asker.ask(questions(3) * 2, FACTS))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.requests) == 3
    assert [len(one) for one in found] == [6, 6]
    assert len({reply.key for one in found for reply in one}) == 3


def test_a_failure_is_forgotten_so_that_the_next_call_asks_again() -> None:
    with running(then_well(*[Act(500)] * 3)) as server:
        asker = client(server.url)
        assert asker.ask(questions(1), FACTS)[0].status == "transport_error"
        assert asker.ask(questions(1), FACTS)[0].status == "ok"


def test_a_restart_in_mid_batch_loses_nothing() -> None:
    with running(always(Act(before=0.02, body=YES))) as first:
        port = first.server_address[1]
        asker = client(first.url, patience=Patience(5.0, 30.0, 3))
        asker.jitter = lambda most: 0.5
        found: list[Sequence[Reply]] = []
        thread = threading.Thread(target=lambda: found.append(asker.ask(questions(60), FACTS)))
        thread.start()
        while len(first.requests) < 10:
            time.sleep(0.01)
        first.script = always(Act(hang_up=True))
    with running(always(Act(body=YES)), port):
        thread.join(20)
    assert [one.status for one in found[0]] == ["ok"] * 60


def test_no_more_calls_are_in_flight_than_the_limit_allows() -> None:
    with running(always(Act(before=0.05, body=YES))) as server:
        client(server.url, start=3).ask(questions(9), FACTS)
    assert 2 <= server.most <= 5


def test_several_servers_share_the_work_and_a_dead_one_is_left() -> None:
    with running(always(Act(before=0.02, body=YES))) as one, running(always(Act(before=0.02, body=YES))) as other:
        replies = client(one.url, other.url, start=4).ask(questions(40), FACTS)
        assert {reply.status for reply in replies} == {"ok"}
        assert min(len(one.requests), len(other.requests)) >= 10
    with running(always(Act(401))) as one, running(always(Act(body=YES))) as other:
        replies = client(one.url, other.url, start=1).ask(questions(10), FACTS)
        assert {reply.status for reply in replies} == {"ok"}


def test_a_budget_of_calls_is_kept_and_the_rest_is_skipped() -> None:
    with running(always(Act(body=YES))) as server:
        asker = client(server.url, budget=Budget(max_calls=5), patience=Patience(5.0, 20.0, 3))
        replies = asker.ask(questions(12), FACTS)
        assert [one.status for one in replies].count("ok") == len(server.requests) == 5
        assert {one.error for one in replies if one.status == "skipped"} == {"the budget of 5 calls is spent"}
        with pytest.raises(VerifierDown, match="budget of 5 calls"):
            asker.ask(questions(1), FACTS)


def test_a_budget_of_money_is_not_overrun() -> None:
    with running(always(Act(before=0.01, body=YES))) as server:
        asker = client(server.url, start=4, budget=Budget(max_cost=100.0, price_in=1e6, price_out=1e6))
        replies = asker.ask(questions(40), FACTS)
    assert asker.budget.cost() <= 100.0 + 4 * 12
    assert 5 <= sum(one.status == "ok" for one in replies) <= 12


def test_a_rate_is_kept() -> None:
    with running(always(Act(body=YES))) as server:
        start = time.monotonic()
        client(server.url, rate=20.0).ask(questions(30), FACTS)
    assert time.monotonic() - start >= 29 / 20 - 1.0


def test_a_connection_is_used_again_until_the_server_closes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = Connections(f"http://127.0.0.1:{listener.getsockname()[1]}")
        first = connections.take(1.0, 1.0)
        there, _ = listener.accept()
        connections.give(first)
        assert connections.take(1.0, 1.0) is first
        connections.give(first)
        there.close()
        assert wait_for_read(first.sock, 5.0)
        second = connections.take(1.0, 1.0)
        assert second is not first
        assert first.sock is None
        second.close()


class Proxy(BaseHTTPRequestHandler):
    """Answers what it is asked to fetch, and opens no tunnel; keeps what it was told."""

    told: list[tuple[str, str, str | None]]

    def do_GET(self) -> None:
        self.told.append((self.command, self.path, self.headers["Proxy-Authorization"]))
        self.send_response(200 if self.command == "GET" else 403)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *given: object) -> None:
        """Nothing is printed."""


def test_a_proxy_of_the_environment_is_used_with_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, str | None]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Proxy,), {"told": told})) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://me:pass%20word@127.0.0.1:{proxy.server_address[1]}")
        answer = Endpoint("http://far.test/v1", {}, 1, 1, 5.0).get("models", 5.0)
        assert (answer.status, answer.body) == (200, b"{}")
        with pytest.raises(ConnectionLost, match="cannot be reached") as failure:
            Endpoint("https://far.test/v1", {}, 1, 1, 5.0).get("models", 5.0)
        proxy.shutdown()
    login = "Basic " + b64encode(b"me:pass word").decode()
    assert told == [("GET", "http://far.test/v1/models", login), ("CONNECT", "far.test:443", login)]
    assert "pass" not in str(failure.value)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as Python takes it, also where the tests are a shell's background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_gives_up_what_waits() -> None:
    def stop(request: dict[str, Any], number: int) -> Act:
        if number == 2:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return Act(before=0.1, body=YES)

    with running(stop) as server:
        asker = client(server.url, start=1, patience=Patience(5.0, 20.0, 3))
        with pytest.raises(KeyboardInterrupt):
            asker.ask(questions(60), FACTS)
        time.sleep(0.5)
        assert len(server.requests) < 20


def test_a_picture_that_cannot_be_read_is_an_error_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50.0).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:600])
    with running(always(Act(body=YES))) as server, Image.open(tmp_path / "cut.png") as cut:
        asker = client(server.url)
        with pytest.raises(OSError, match="truncated"):
            asker.ask([*questions(2), Query((cut,), "And this?")], FACTS)
        assert [one.status for one in asker.ask(questions(2), FACTS)] == ["ok", "ok"]


def test_a_picture_is_encoded_once_and_let_go_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    from reward import encoding

    count = itertools.count()
    original = encoding.png
    monkeypatch.setattr(encoding, "png", lambda *given: (next(count), original(*given))[1])
    with running(always(Act(body=YES))) as server:
        asker = client(server.url)
        kept: list[Mapping[int, encoding.Encoded]] = []

        def watched(*given: Any) -> Mapping[int, encoding.Encoded]:
            kept.append(encoding.encode_all(*given))
            return kept[0]

        monkeypatch.setattr("reward.client.encode_all", watched)
        asker.ask(questions(12), FACTS)
    assert next(count) == 1
    time.sleep(0.05)
    assert [picture.content for picture in kept[0].values()] == [None]


def test_a_refused_connection_is_a_reply_and_no_exception() -> None:
    with running(sees) as server:
        url = server.url
    (reply,) = client(url).ask(questions(1), FACTS)
    assert reply.status == "transport_error"
    assert "cannot be reached" in reply.error


def test_a_key_that_a_server_echoes_does_not_get_into_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "sk-planted-0123456789")
    with running(always(Act(400, b"bad key sk-planted-0123456789, Bearer abc.def"))) as server:
        reply = ask_one(server)
    assert "planted" not in reply.error
    assert "abc.def" not in reply.error
    assert "bad key ***" in reply.error
