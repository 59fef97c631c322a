"""Kept-alive connections to one server, by the standard library's client: a third of the CPU that urllib3 takes."""

from __future__ import annotations

import ssl
import urllib.request
import weakref
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from urllib3.util.request import make_headers
from urllib3.util.wait import wait_for_read

from reward.secret import bare_address


class Connections:
    """Opens what is needed and keeps what is idle; through the proxy that the environment names for this host."""

    def __init__(self, url: str) -> None:
        self.address = address_of(url)
        self.secure = self.address.scheme == "https"
        self.proxy = proxy_of(self.address)
        self.login = login_of(self.proxy)
        self.context = ssl.create_default_context() if self.secure else None
        self.root = url.rstrip("/") if self.proxy and not self.secure else self.address.path.rstrip("/")
        self.idle: list[HTTPConnection] = []
        weakref.finalize(self, close_all, self.idle)

    def take(self, connect: float, seconds: float) -> HTTPConnection:
        """A connection that waits so many seconds for anything: an idle one that is still open, or else a new one."""
        while self.idle:
            try:
                connection = self.idle.pop()
            except IndexError:  # another thread was faster
                break
            if not wait_for_read(connection.sock, 0.0):  # what can be read before anything was asked is its end
                connection.sock.settimeout(seconds)
                return connection
            connection.close()
        connection = self._open(connect)
        connection.sock.settimeout(seconds)
        return connection

    def give(self, connection: HTTPConnection) -> None:
        """Takes a connection back whose answer has been read to the end."""
        if connection.sock is not None:  # the server may have asked to close it
            self.idle.append(connection)

    def _open(self, connect: float) -> HTTPConnection:
        there, via = (self.address, self.address if self.proxy is None else self.proxy)
        host, port = str(via.hostname), via.port
        connection = (
            HTTPConnection(host, port, timeout=connect)
            if self.context is None
            else HTTPSConnection(host, port, timeout=connect, context=self.context)
        )
        if self.proxy is not None and self.secure:
            connection.set_tunnel(str(there.hostname), there.port or connection.default_port, self.login)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def close_all(idle: list[HTTPConnection]) -> None:
    """Nothing is left open."""
    while idle:
        idle.pop().close()


def address_of(url: str) -> SplitResult:
    """The parts of a base address; ValueError if it is none, or holds a login."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"base_url={bare_address(url)} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url={bare_address(url)} is no address; it looks like http://host:8000/v1")
    if parts.username or parts.password:
        raise ValueError(f"base_url={bare_address(url)} holds a login; secrets come from the environment only")
    return parts


def proxy_of(address: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for a host, if there is one."""
    proxy = urllib.request.getproxies().get(address.scheme)
    if not proxy or urllib.request.proxy_bypass(str(address.hostname)):
        return None
    return urlsplit(proxy if "//" in proxy else f"http://{proxy}")


def login_of(proxy: SplitResult | None) -> dict[str, str]:
    """The header that a proxy wants whose address in the environment has a user and a password."""
    if proxy is None or proxy.username is None:
        return {}
    return make_headers(proxy_basic_auth=f"{unquote(proxy.username)}:{unquote(proxy.password or '')}")
