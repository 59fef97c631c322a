"""One server: connections that are kept, a try that ends in time, and how much it is asked at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead

from reward.connection import Connections
from reward.limit import Breaker, Limit
from reward.outcome import Answer, ConnectionLost, TryTimedOut
from reward.secret import bare_address

LARGEST = 8 << 20
"""Bytes of an answer that are read where nothing else is said."""
PIECE = 1 << 16


class Endpoint:
    """A base address with its connections; its limit and breaker belong to the client, which holds the lock."""

    def __init__(
        self, url: str, headers: Mapping[str, str], ceiling: int, start: int, connect: float,
        content: str = "application/json", largest: int = LARGEST,
    ) -> None:  # fmt: skip
        self.url, self.told = url.rstrip("/"), bare_address(url).rstrip("/")
        self.headers, self.connect = dict(headers), connect
        self.content, self.largest = content, largest
        self.connections = Connections(url)
        self.limit = Limit(ceiling, min(start, ceiling))
        self.breaker = Breaker()
        self.in_flight = 0

    def post(self, path: str, body: bytes, seconds: float) -> Answer:
        """The answer to one try; TryTimedOut or ConnectionLost when there is none."""
        return self._send("POST", path, body, seconds)

    def get(self, path: str, seconds: float) -> Answer:
        """The same for a question without a body."""
        return self._send("GET", path, None, seconds)

    def _send(self, method: str, path: str, body: bytes | None, seconds: float) -> Answer:
        deadline = time.monotonic() + seconds
        connection = self._connection(seconds)
        headers = {**self.headers, **({} if self.connections.secure else self.connections.login)}
        if body is not None:
            headers["Content-Type"] = self.content
        try:
            connection.request(method, f"{self.connections.root}/{path}", body=body, headers=headers)
            response = connection.getresponse()
            content = self._read(response, deadline, seconds)
        except TimeoutError:
            connection.close()
            raise TryTimedOut(f"no whole answer from {self.told} in {seconds:.0f} s") from None
        except (HTTPException, OSError) as error:
            connection.close()
            raise ConnectionLost(f"the connection to {self.told} was lost: {error!r}") from None
        except BaseException:
            connection.close()  # what is left on this connection belongs to nobody
            raise
        self.connections.give(connection)
        return Answer(response.status, response.headers, content)

    def _connection(self, seconds: float) -> HTTPConnection:
        try:
            return self.connections.take(min(self.connect, seconds), seconds)
        except socket.gaierror as error:
            raise ConnectionLost(f"{self.told} is unknown: {error}", unknown=True) from None
        except TimeoutError:
            raise TryTimedOut(f"no connection to {self.told} in {min(self.connect, seconds):.0f} s") from None
        except (HTTPException, OSError) as error:
            raise ConnectionLost(f"{self.told} cannot be reached: {error}") from None

    def _read(self, response: HTTPResponse, deadline: float, seconds: float) -> bytes:
        """The body, piece by piece, so that neither a trickle nor a flood holds us."""
        pieces, size = [], 0
        while piece := response.read1(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self.largest:
                raise ConnectionLost(f"the answer of {self.told} is longer than {self.largest} bytes")
            if time.monotonic() > deadline:
                raise TryTimedOut(f"no whole answer from {self.told} in {seconds:.0f} s")
        if response.length:
            raise IncompleteRead(b"", response.length)
        response.close()  # the answer, not its connection, which is free for the next call
        return b"".join(pieces)
