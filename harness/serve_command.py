"""harness serve: puts any verifier behind HTTP, so that one machine verifies for many."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass

import tyro

from harness.arguments import parse_arguments
from harness.assemble import build_verifier
from harness.service import open_service
from harness.settings import read_settings
from reward.batch_wire import LARGEST_BODY
from reward.secret import read_secret
from reward.verifier_http_batch import TOKEN


@dataclass(frozen=True)
class ServeConfig:
    """Serve a verifier over OpenAI's chat protocol and over our batches."""

    verifier: str = "pixels"
    """A name printed by `harness ls verifiers`, or a dotted module."""
    verifier_args: str = ""
    """Arguments of the verifier."""
    host: str = "127.0.0.1"
    """Address to listen on; any but this machine's own needs a token in HARNESS_TOKEN."""
    port: int = 8765
    """Port to listen on; 0 takes a free one."""
    max_body: int = LARGEST_BODY
    """Bytes of the largest request that is read."""


def main(arguments: list[str]) -> int:
    """Serves until it is stopped."""
    defaults, rest = read_settings(ServeConfig, arguments)
    config = tyro.cli(ServeConfig, args=rest, default=defaults, prog="harness serve")
    if not 0 <= config.port <= 65535:
        raise ValueError(f"--port must lie between 0 and 65535, not {config.port}")
    if config.max_body < 1:
        raise ValueError(f"--max-body must be more than 0, not {config.max_body}")
    verifier = build_verifier(config.verifier, parse_arguments(config.verifier_args))
    token = read_secret(TOKEN)
    with open_service(verifier, config.verifier, config.host, config.port, token, config.max_body) as service:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=service.shutdown).start())
        print(service.address(), flush=True)
        print(f"{verifier.id} answers at {service.address()}/v1 (chat) and {service.address()} (batches)"
              f"{', token required' if token else ''}; Ctrl-C ends it", file=sys.stderr, flush=True)  # fmt: skip
        try:
            service.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return 0
    return 0
