"""Runs without a network: every connection is an error, and the hub libraries are told."""

from __future__ import annotations

import os
import sys
from typing import Any


def forbid_connections() -> None:
    """Makes every socket connection an error and tells the hub libraries to stay off the network."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

    def refuse(event: str, values: tuple[Any, ...]) -> None:
        if event == "socket.connect" and not isinstance(values[1], str | bytes):
            raise OSError(f"--offline forbids a connection to {values[1]}")

    sys.addaudithook(refuse)
