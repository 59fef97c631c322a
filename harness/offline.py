"""Runs without a network: every connection is an error, and the hub libraries are told."""

from __future__ import annotations

import os
import sys
from typing import Any

WAYS_OUT = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
"""What a program does to reach another; a local socket has a path for an address and stays."""


def forbid_connections() -> None:
    """Makes every socket connection an error and tells the hub libraries to stay off the network."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

    def refuse(event: str, values: tuple[Any, ...]) -> None:
        if event in WAYS_OUT and not (event == "socket.connect" and isinstance(values[1], str | bytes)):
            raise OSError(f"--offline forbids {event} to {values[0] if event == 'socket.getaddrinfo' else values[1]}")

    sys.addaudithook(refuse)
