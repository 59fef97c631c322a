"""One server: connections that are kept, a try that ends in time, and how much it is asked at once."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as NoAnswer

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
        scheme, host = address_of(url)
        self.url, self.told = url.rstrip("/"), bare_address(url).rstrip("/")
        self.headers, self.connect = dict(headers), connect
        self.content, self.largest = content, largest
        self.pool = connections(scheme, host, ceiling)
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
        timeout = urllib3.Timeout(connect=min(self.connect, seconds), read=seconds)
        headers = self.headers if body is None else {**self.headers, "Content-Type": self.content}
        try:
            response = self.pool.request(
                method, f"{self.url}/{path}", body=body, headers=headers, timeout=timeout,
                retries=False, redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                content = self._read(response, deadline, seconds)
            except BaseException:
                response.close()  # what is left on this connection belongs to nobody
                raise
            response.release_conn()
            return Answer(response.status, response.headers, content)
        except NameResolutionError as error:
            raise ConnectionLost(f"{self.told} is unknown: {error}", unknown=True) from None
        except NewConnectionError as error:
            raise ConnectionLost(f"{self.told} cannot be reached: {error}") from None
        except NoAnswer:
            raise TryTimedOut(f"no whole answer from {self.told} in {seconds:.0f} s") from None
        except (HTTPError, OSError) as error:
            raise ConnectionLost(f"the connection to {self.told} was lost: {error}") from None

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float, seconds: float) -> bytes:
        """The body, piece by piece, so that neither a trickle nor a flood holds us."""
        pieces, size = [], 0
        while piece := response.read1(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self.largest:
                raise ConnectionLost(f"the answer of {self.told} is longer than {self.largest} bytes")
            if time.monotonic() > deadline:
                raise TryTimedOut(f"no whole answer from {self.told} in {seconds:.0f} s")
        return b"".join(pieces)


def address_of(url: str) -> tuple[str, str]:
    """Scheme and host of a base address; ValueError if it is none, or holds a login."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"base_url={bare_address(url)} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url={bare_address(url)} is no address; it looks like http://host:8000/v1")
    if parts.username or parts.password:
        raise ValueError(f"base_url={bare_address(url)} holds a login; secrets come from the environment only")
    return parts.scheme, parts.hostname


def connections(scheme: str, host: str, ceiling: int) -> urllib3.PoolManager:
    """Kept-alive connections, through the proxy that the environment names for this host if there is one."""
    proxy = urllib.request.getproxies().get(scheme)
    if proxy and not urllib.request.proxy_bypass(host):
        return urllib3.ProxyManager(proxy, num_pools=1, maxsize=ceiling)
    return urllib3.PoolManager(num_pools=1, maxsize=ceiling)
