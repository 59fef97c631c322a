"""A server that does whatever a test tells it to: every fault a polite server never shows."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG = 30.0
"""Seconds of a hang; a test that waits for it has failed."""


@dataclass(frozen=True, slots=True)
class Act:
    """What the server does with one request."""

    code: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    before: float = 0.0
    """Seconds until the answer"""
    cut: int | None = None
    """Bytes of the body after which the connection ends"""
    trickle: float = 0.0
    """Seconds between bytes"""
    hang_up: bool = False


Script = Callable[[dict[str, Any], int], Act]
"""From a request's JSON and its number to what happens."""


def chat(word: str = "yes", top: Mapping[str, float] | None = None, **more: Any) -> bytes:
    """A chat completion with log-probabilities, or without where `top` is None."""
    listed = [{"token": token, "logprob": value} for token, value in (top or {}).items()]
    first = {"token": word, "logprob": -0.01, "top_logprobs": listed}
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": word},
        "logprobs": None if top is None else {"content": [first]},
    }
    content = {"model": "seer-1", "choices": [choice], "usage": {"prompt_tokens": 11, "completion_tokens": 1}, **more}
    return json.dumps(content).encode()


def text_of(request: Mapping[str, Any]) -> str:
    """The question in a chat request."""
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def sees(request: Mapping[str, Any], number: int) -> Act:
    """A polite server that is right about the drawn picture and says yes to all else."""
    if "blue square" in text_of(request):
        return Act(body=chat("no", {"no": -0.05, "yes": -3.0}))
    return Act(body=chat("yes", {"yes": -0.1, "no": -2.5}))


class Faulty(ThreadingHTTPServer):
    """Counts requests, keeps their bodies, and plays its script."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Player)
        self.script, self.requests, self.headers = script, [], []  # type: ignore[var-annotated]
        self.lock = threading.Lock()
        self.together = self.most = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the play."""


class Player(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Faulty

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append(request)
            self.server.headers.append(dict(self.headers))
            self.server.together += 1
            self.server.most = max(self.server.most, self.server.together)
        try:
            self.play(self.server.script(request, number))
        finally:
            with self.server.lock:
                self.server.together -= 1

    def do_GET(self) -> None:
        health = {"protocol": 1, "status": "ok", "served": {"model": "seer-1"}, "probabilities": True, "max_queries": 8}
        self.play(Act(body=json.dumps(health if self.path == "/health" else {"data": []}).encode()))

    def play(self, act: Act) -> None:
        time.sleep(act.before)
        if act.hang_up:
            self.close_connection = True
            return
        self.send_response(act.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(act.body)))
        for name, value in act.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if act.trickle:
            for place in range(len(act.body)):
                self.wfile.write(act.body[place : place + 1])
                time.sleep(act.trickle)
            return
        self.wfile.write(act.body[: act.cut])
        if act.cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *values: Any) -> None:  # noqa: A002 - the library's name
        """Silence."""


@contextmanager
def running(script: Script, port: int = 0) -> Iterator[Faulty]:
    """The server, in a thread of its own."""
    with Faulty(script, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
