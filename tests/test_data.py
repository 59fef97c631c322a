"""Data files are found, checked and, where the licence allows, downloaded; a file that is nowhere is named."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import tasks.data
from tasks.data import Origin, check_count, checksums, hashes, read_file, version_of

FREE = Origin("World", "someone/world", "0123456789abcdef", "MIT", free=True, prefix="data/")
OWNED = Origin("World", "someone/world", "0123456789abcdef", "none stated")
CONTENT = b"\xef\xbb\xbf" + b'{"a": 1}\r\n\r\n{"a": 2}'


class Repository(BaseHTTPRequestHandler):
    """A server of files that fails as often as it is told to."""

    files: ClassVar[dict[str, bytes]] = {}
    failures: ClassVar[list[int]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        code = self.failures.pop() if self.failures else 200 if self.path in self.files else 404
        self.send_response(code)
        self.end_headers()
        self.wfile.write(self.files.get(self.path, b"") if code == 200 else b"")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An online machine with an empty cache, and a server that is the official repository."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    Repository.files = {"/someone/world/0123456789abcdef/data/one%2Btwo.jsonl": CONTENT}
    Repository.failures, Repository.asked = [], []
    monkeypatch.setattr(tasks.data, "ADDRESS", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(tasks.data.time, "sleep", lambda _: None)
    known = {"World/one+two.jsonl": hashlib.sha256(CONTENT).hexdigest()}
    monkeypatch.setattr(tasks.data, "checksums", lambda: known)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "HARNESS_DATA", "HARNESS_ACCEPT_LICENCE"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    server.shutdown()
    server.server_close()


def test_the_order_of_search_is_argument_variable_cache(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("argument/World", "variable/World", "cache/image-harness/data/World", "own"):
        (world / place).mkdir(parents=True)
        (world / place / "one+two.jsonl").write_text(f'"{place}"')
    assert read_file(FREE, "one+two.jsonl").json() == "cache/image-harness/data/World"
    monkeypatch.setenv("HARNESS_DATA", str(world / "variable"))
    assert read_file(FREE, "one+two.jsonl").json() == "variable/World"
    assert read_file(FREE, "one+two.jsonl", world / "argument").json() == "argument/World"
    assert read_file(FREE, "one+two.jsonl", world / "own").json() == "own"
    assert Repository.asked == []


def test_a_free_file_is_downloaded_once(world: Path) -> None:
    Repository.failures = [503, 500]
    for _ in range(2):
        file = read_file(FREE, "one+two.jsonl")
        assert file.records() == [{"a": 1}, {"a": 2}]
        assert file.known
    assert len(Repository.asked) == 3
    assert [path.name for path in (world / "cache/image-harness/data/World").iterdir()] == ["one+two.jsonl"]


def test_another_licence_asks_for_its_acceptance(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin("World", "someone/world", "0123456789abcdef", "none stated", prefix="data/")
    with pytest.raises(ValueError, match=r"World/one\+two.jsonl of github.com/someone/world .* licence: none stated.*"
                       "--accept-licence World"):  # fmt: skip
        read_file(origin, "one+two.jsonl")
    monkeypatch.setenv("HARNESS_ACCEPT_LICENCE", "Other, World")
    assert read_file(origin, "one+two.jsonl").known


def test_a_file_that_is_nowhere_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"cannot be downloaded \(HTTP Error 404.*--data or HARNESS_DATA"):
        read_file(FREE, "three.jsonl")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="licence: MIT, was not found, and this run is offline"):
        read_file(FREE, "one+two.jsonl")
    monkeypatch.setenv("HARNESS_DATA", "nowhere")
    with pytest.raises(ValueError, match="there is no data folder nowhere"):
        read_file(FREE, "one+two.jsonl")


def test_a_download_with_another_content_is_not_kept(world: Path) -> None:
    Repository.files = dict.fromkeys(Repository.files, b"changed")
    with pytest.raises(ValueError, match=r"has the SHA-256 .* it is not kept"):
        read_file(FREE, "one+two.jsonl")
    assert not (world / "cache").exists()


def test_another_version_is_refused_by_its_count_and_named_by_its_hash(world: Path) -> None:
    (world / "one+two.jsonl").write_bytes(b'{"a": 1}')
    file = read_file(OWNED, "one+two.jsonl", world)
    assert not file.known
    with pytest.raises(ValueError, match=r"holds 1 lines and not 2, SHA-256 .* another version.*any_version=true"):
        check_count(file, "lines", 1, 2)
    check_count(file, "lines", 1, 2, any_version=True)
    check_count(file, "lines", 2, 2)
    assert version_of("3", [file]).startswith("3+")
    assert hashes([file]) == {"World/one+two.jsonl": file.sha256}


def test_a_file_of_the_known_version_keeps_the_version() -> None:
    assert version_of("3", [read_file(FREE, "one+two.jsonl")]) == "3"


@pytest.mark.parametrize(
    ("content", "read", "said"),
    [
        (b'{"a": 1}\nnothing', "records", "line 2 is not JSON"),
        (b"{", "json", "it is not JSON"),
        (b"\xff\xfe", "text", "is not UTF-8"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(world: Path, content: bytes, read: str, said: str) -> None:
    (world / "one+two.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=f"World/one.two.jsonl.*{said}"):
        getattr(read_file(FREE, "one+two.jsonl", world), read)()


def test_the_checksums_are_those_of_the_official_files(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    known = checksums()
    assert len(known) > 300
    for name in list(known)[:: len(known) // 20]:
        assert hashlib.sha256((shared / "benchmarks" / name).read_bytes()).hexdigest() == known[name]
