"""Serves a verifier over HTTP: OpenAI's chat at /v1/chat/completions, our batches at /v1/verify."""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.counter import Counter
from harness.wires import Answered, batch_answer, batch_queries, chat_answer, chat_query
from reward.ability import abilities
from reward.batch_wire import LARGEST_BODY, PROTOCOL
from reward.secret import redact
from reward.verifier import Verifier, VerifierDown
from tasks.registry import unknown

QUERIES = 64
"""Queries of one batch."""
CLIENTS = 256
"""Connections at once; more wait to be accepted."""
IDLE = 60
"""Seconds that a silent connection is kept."""
log = logging.getLogger("harness.serve")


class Service(ThreadingHTTPServer):
    """One verifier behind one address."""

    daemon_threads = True
    request_queue_size = CLIENTS

    def __init__(self, address: tuple[str, int], verifier: Verifier, name: str, token: str, largest: int) -> None:
        super().__init__(address, Handler)
        self.verifier, self.name, self.token, self.largest = verifier, name, token, largest
        self.counter = Counter(verifier)
        self.places = threading.BoundedSemaphore(CLIENTS)
        self.served = {"model": verifier.id, "revision": verifier.record.get("revision")}

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread a connection, no more than there are places."""
        self.places.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection's place is free again."""
        self.places.release()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """A client that hangs up is no event; its thread ends."""
        log.debug("a connection broke off", exc_info=True)

    def address(self) -> str:
        """Where it can be reached."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE
    disable_nagle_algorithm = True
    server: Service

    def do_GET(self) -> None:
        """Health and the list of models."""
        record = self.server.verifier.record
        soft, reads_back = record.get("mode") != "text", bool(record.get("likelihood"))
        able = abilities(self.server.verifier)
        if self.path.rstrip("/") == "/health":
            told = {"protocol": PROTOCOL, "status": "ok", "served": self.server.served,
                    "probabilities": soft, "likelihood": reads_back, "max_queries": QUERIES}  # fmt: skip
            self._send(200, told if able is None else {**told, "answers": list(able)})
        elif not self._allowed():
            self._fail(401, "the token is missing or wrong")
        elif self.path.rstrip("/") == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": self.server.name, "object": "model"}]})
        else:
            self._fail(404, f"nothing at {self.path[:80]}")

    def do_POST(self) -> None:
        """Questions, over one of the wires."""
        routes = {"/v1/chat/completions": self._chat, "/v1/verify": self._batch}
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return self._fail(411, "the request says no Content-Length", leave=True)
        if int(length) > self.server.largest:
            return self._fail(413, f"the request is larger than {self.server.largest} bytes", leave=True)
        body = self.rfile.read(int(length))
        if not self._allowed():
            return self._fail(401, "the token is missing or wrong")
        if self.path.rstrip("/") not in routes:
            return self._fail(404, f"nothing at {self.path[:80]}")
        try:
            content = json.loads(body)
            if not isinstance(content, dict):
                raise ValueError("it is no object")
        except (ValueError, RecursionError) as error:
            return self._fail(400, f"the request is not JSON: {error}"[:300])
        return self._answer(routes[self.path.rstrip("/")], content)

    def _answer(self, route: Any, content: Mapping[str, Any]) -> None:
        try:
            found = route(content)
        except ValueError as error:
            found = Answered(400, str(error)[:300])
        except VerifierDown as error:
            found = Answered(503, str(error)[:300])
        except Exception as error:
            log.exception("a request failed")
            found = Answered(500, f"{type(error).__name__}: {error}"[:300])
        if isinstance(found, Answered):
            self._fail(found.code, found.message)
        else:
            self._send(200, found)

    def _chat(self, content: Mapping[str, Any]) -> dict[str, Any] | Answered:
        known = (self.server.name, self.server.verifier.id)
        if content.get("model") not in known:
            return Answered(404, unknown("model", str(content.get("model"))[:80], known))
        (reply,) = self.server.counter.ask([chat_query(content, self.server.counter.picture)])
        return chat_answer(reply, self.server.verifier.id, bool(content.get("logprobs")))

    def _batch(self, content: Mapping[str, Any]) -> dict[str, Any]:
        ids, queries = batch_queries(content, self.server.counter.picture, QUERIES)
        return batch_answer(ids, self.server.counter.ask(queries), self.server.served)

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return not self.server.token or hmac.compare_digest(given.encode(), self.server.token.encode())

    def _fail(self, code: int, message: str, leave: bool = False) -> None:
        self.close_connection = self.close_connection or leave
        self._send(code, {"error": {"message": redact(message), "code": code}})

    def _send(self, code: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content, allow_nan=False).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self._headers_buffer: list[bytes]
        self._headers_buffer.append(b"\r\n" + body)  # one packet, not one a part
        self.flush_headers()

    def log_message(self, format: str, *values: Any) -> None:  # noqa: A002 - the library's name
        """A line a request only for whoever listens to the log."""
        log.debug(format, *values)


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_service(
    verifier: Verifier, name: str, host: str, port: int, token: str, largest: int = LARGEST_BODY
) -> Service:
    """The service, bound and not yet running; ValueError when it would be open to others without a token."""
    if not is_local(host) and not token:
        raise ValueError(
            f"--host {host} lets other machines in: put a token for them into HARNESS_TOKEN, or stay on 127.0.0.1"
        )
    try:
        return Service((host, port), verifier, name, token, largest)
    except OSError as error:
        raise ValueError(f"{host}:{port} cannot be listened on: {error.strerror or error}") from None
