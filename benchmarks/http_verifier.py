"""How near the HTTP verifier comes to the ideal, what it costs in CPU, and that memory follows what is in flight.

A server of its own process answers after 100 ms. Ideal are whole rounds, ceil(calls / calls in flight) x latency: with
calls of one length no schedule is faster. Also printed, from the same run: how near bare sockets come, which send bytes
made before and read none of what comes back, and what calls through the `openai` package's own transport cost.
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import queue
import socket
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from reward.budget import Budget
from reward.chat_wire import ChatWire
from reward.client import Client, Patience
from reward.endpoint import Endpoint
from reward.verifier import Query
from reward.verifier_http import Arguments, openai_endpoints

LATENCY, IN_FLIGHT, QUESTIONS, A_PICTURE = 0.1, 64, 2000, 12
TOP = [{"token": f"t{number}", "logprob": -4.0 - number} for number in range(19)]
FIRST = {"token": "yes", "logprob": -0.1, "top_logprobs": [{"token": "yes", "logprob": -0.1}, *TOP]}
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"content": "yes"}, "logprobs": {"content": [FIRST]}}
ANSWER = json.dumps({"model": "m", "choices": [CHOICE], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}).encode()


def serve(port: int) -> None:
    """Answers every request after the latency."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            await asyncio.sleep(LATENCY)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", port, limit=1 << 24, backlog=256)
        await server.serve_forever()

    sys.stderr = open("/dev/null", "w")  # noqa: SIM115 - clients that hang up are told to nobody
    asyncio.run(run())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def queries(count: int, side: int) -> list[Query]:
    """Twelve questions a picture of noise."""
    noise = np.random.default_rng(0)
    pictures = [
        Image.fromarray(noise.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(-(-count // A_PICTURE))
    ]
    return [Query((pictures[number // A_PICTURE],), f"Is this question {number}?") for number in range(count)]


def measured(name: str, count: int, work: Callable[[], object]) -> tuple[float, float]:
    """Share of the ideal throughput, and milliseconds of CPU a question; both printed."""
    start, used = time.perf_counter(), time.process_time()
    work()
    share = math.ceil(count / IN_FLIGHT) * LATENCY / (time.perf_counter() - start)
    cost = 1000 * (time.process_time() - used) / count
    print(f"{name:44} {share:7.1%} of ideal {cost:8.3f} ms CPU a question")
    return share, cost


def main() -> None:
    """Prints the ratios."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{port}/v1"
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    bare(port)
    start = {"ours": IN_FLIGHT, "ours, from 8 in flight": 8}
    found = {}
    for name, first in start.items():
        client = Client(ChatWire("m", "logprobs"), [Endpoint(url, {}, IN_FLIGHT, first, 10.0)], Patience(), Budget())
        client.ask(queries(IN_FLIGHT, 32), {})
        asked = queries(QUESTIONS, 32)
        found[name] = measured(name, QUESTIONS, lambda client=client, asked=asked: client.ask(asked, {}))
    theirs = through_openai(url)
    print(f"CPU of the openai package's own calls to ours: {theirs[1] / found['ours'][1]:.1f}")
    memory(url)
    server.terminate()


def bare(port: int) -> None:
    """The same number of calls by as many threads that do nothing but send and receive."""
    body = b" " * 5000
    request = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(IN_FLIGHT)]

    def call(line: socket.socket) -> None:
        while True:
            try:
                left.get_nowait()
            except queue.Empty:
                return
            line.sendall(request)
            found = b""
            while not found.endswith(ANSWER):
                found += line.recv(1 << 16)

    with ThreadPoolExecutor(IN_FLIGHT) as crew:
        list(crew.map(time.sleep, [0.05] * IN_FLIGHT))  # starts the threads
        for number in range(QUESTIONS):
            left.put(number)
        measured("bare sockets", QUESTIONS, lambda: list(crew.map(call, lines)))
    for line in lines:
        line.close()


def through_openai(url: str) -> tuple[float, float]:
    """The same calls by `client.chat.completions.create`."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none", max_retries=0)

    def ask(number: int) -> object:
        return client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": f"Is this {number}?"}], logprobs=True, top_logprobs=20
        )

    assert openai_endpoints(Arguments("m", (url,)))
    with ThreadPoolExecutor(IN_FLIGHT) as crew:
        list(crew.map(ask, range(IN_FLIGHT)))
        return measured("the openai package", 640, lambda: list(crew.map(ask, range(640))))


def memory(url: str) -> None:
    """Peak of what is allocated while 40 and 400 large pictures are asked about, 4 calls in flight."""
    peaks = []
    for pictures in (40, 400):
        asked = queries(pictures * A_PICTURE, 128)[::6]
        client = Client(ChatWire("m", "logprobs"), [Endpoint(url, {}, 4, 4, 10.0)], Patience(), Budget())
        tracemalloc.start()
        client.ask(asked, {})
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    encoded = 400 * 128 * 128 * 3 * 4 / 3 / 1e6
    print(f"peak of 40 pictures {peaks[0]:.1f} MB, of 400 {peaks[1]:.1f} MB; all 400 encoded would be {encoded:.1f} MB")


if __name__ == "__main__":
    main()
