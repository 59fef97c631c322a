"""A stand-in for the hub on 127.0.0.1: takes one commit and keeps its files."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def hub() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address and the files that arrive: path and content."""
    received: list[dict[str, Any]] = []

    class Hub(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            address = f"http://{self.headers['Host']}"
            if self.path == "/api/repos/create":
                self.reply({"url": f"{address}/datasets/me/board"})
            elif self.path == "/api/validate-yaml":
                self.reply({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                files = [{**one, "uploadMode": "regular"} for one in json.loads(body)["files"]]
                self.reply({"files": [{**one, "shouldIgnore": False} for one in files]})
            elif "/commit/" in self.path and self.headers["Authorization"] == "Bearer hf_a_token_of_a_test":
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        received.append({"path": line["value"]["path"], "content": content})
                self.reply({"commitUrl": f"{address}/datasets/me/board/commit/1", "commitOid": "1", "success": True})
            else:
                self.send_error(404)

        def do_GET(self) -> None:
            self.reply({})

        def reply(self, content: dict[str, Any]) -> None:
            text = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
