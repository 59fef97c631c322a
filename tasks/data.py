"""Finds a benchmark's data files, and knows which version they are; the package itself holds none of them.

Search order: the `data` argument of the task, the folder in HARNESS_DATA (the flag --data), the cache folder, and when
online the official repository at a pinned commit. `checksums.txt` holds the SHA-256 of every known file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

ADDRESS = "https://raw.githubusercontent.com"
"""Serves files of GitHub repositories as REPOSITORY/COMMIT/PATH."""
TIMEOUT, TRIES, LARGEST = 30.0, 3, 64_000_000
"""Seconds a try, tries, and bytes of the largest file that is read."""
FOLDER, LICENCES = "HARNESS_DATA", "HARNESS_ACCEPT_LICENCE"
"""Variables that hold the folder of all benchmarks and the benchmarks whose licence the user accepts."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a benchmark's files come from, and under which licence."""

    folder: str
    """Its folder beneath HARNESS_DATA, which is also the name of its licence."""
    repository: str
    commit: str
    licence: str
    free: bool = False
    """Whether the licence allows redistribution, so that a download needs no confirmation."""
    prefix: str = ""
    """What stands before a file's path in the repository, where our folder leaves it out."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file as it was read; `name` is its path beneath HARNESS_DATA."""

    name: str
    content: bytes
    sha256: str

    @property
    def known(self) -> bool:
        """Whether this is the very file that the task was written for."""
        return checksums().get(self.name) == self.sha256

    def text(self) -> str:
        """The content, without a byte-order mark; ValueError where it is not UTF-8."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.name} is not UTF-8: {error}") from None

    def lines(self) -> list[str]:
        """Its lines, empty ones left out."""
        return [line for line in self.text().splitlines() if line.strip()]

    def json(self) -> Any:
        """Its content as JSON."""
        return self._parsed(self.text(), "it")

    def records(self) -> list[Any]:
        """The content of each line of a JSONL file."""
        lines = enumerate(self.text().split("\n"), start=1)
        return [self._parsed(line, f"line {number}") for number, line in lines if line.strip()]

    def table(self, delimiter: str = ",") -> list[dict[str, str]]:
        """The rows of a CSV file, by column."""
        return list(csv.DictReader(io.StringIO(self.text(), newline=""), delimiter=delimiter))

    def _parsed(self, text: str, what: str) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.name}: {what} is not JSON: {error}") from None


@lru_cache(maxsize=1)
def checksums() -> Mapping[str, str]:
    """SHA-256 of every known file, by its path beneath HARNESS_DATA."""
    lines = (Path(__file__).parent / "checksums.txt").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def cache_folder() -> Path:
    """Where downloaded files are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "image-harness" / "data"


def read_file(origin: Origin, path: str, data: Path | None = None) -> DataFile:
    """One file of a benchmark; `data` is a folder laid out as HARNESS_DATA, or the benchmark's own.

    ValueError says which file is wanted, whence, and under which licence, when it is nowhere.
    """
    found = find(origin, path, data)
    if found is None:
        found = download(origin, path)
    return local_file(found, f"{origin.folder}/{path}")


def users_questions(
    origin: Origin, title: str, path: str, given: Path | None, data: Path | None, advice: str, prefix: str = ""
) -> DataFile:
    """The questions that a user brings, or that lie beside the other files; ValueError says whence to take them."""
    found = given or find(origin, path, data)
    if found is None:
        raise ValueError(
            f"the questions of {title} were not found: take {prefix}{path} of github.com/{origin.repository} (licence: "
            f"{origin.licence}), and {advice}"
        )
    return local_file(found, f"{origin.folder}/{found.name}")


def local_file(found: Path, name: str) -> DataFile:
    """A file on this machine under the name that checksums know it by; ValueError where it cannot be read."""
    if not found.is_file():
        raise ValueError(f"there is no file {found}")
    if found.stat().st_size > LARGEST:
        raise ValueError(f"{found} is larger than {LARGEST // 1_000_000} MB")
    content = found.read_bytes()
    return DataFile(name, content, hashlib.sha256(content).hexdigest())


def find(origin: Origin, path: str, data: Path | None = None) -> Path | None:
    """Where a file lies on this machine, if it does; ValueError for a folder that was named and does not exist."""
    given = data or (Path(os.environ[FOLDER]) if os.environ.get(FOLDER) else None)
    if given is not None and not given.is_dir():
        raise ValueError(f"there is no data folder {given}")
    roots = [] if given is None else [given / origin.folder, given]
    return next((root / path for root in [*roots, cache_folder() / origin.folder] if (root / path).is_file()), None)


def download(origin: Origin, path: str) -> Path:
    """A file from the official repository, checked and put into the cache; ValueError says why it cannot be had."""
    place = f"{origin.repository} (commit {origin.commit[:7]})"
    wanted = f"{origin.folder}/{path} of github.com/{place}, licence: {origin.licence}"
    how = f"put it there and name the folder that holds {origin.folder}/ with --data or HARNESS_DATA"
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise ValueError(f"the data file {wanted}, was not found, and this run is offline: {how}")
    if not origin.free and origin.folder not in accepted():
        raise ValueError(
            f"the data file {wanted}, was not found: {how}, or download it with --accept-licence {origin.folder}"
        )
    try:
        content = fetch(f"{ADDRESS}/{origin.repository}/{origin.commit}/{urllib.parse.quote(origin.prefix + path)}")
    except OSError as error:
        raise ValueError(f"the data file {wanted}, was not found and cannot be downloaded ({error}): {how}") from None
    digest, right = hashlib.sha256(content).hexdigest(), checksums().get(f"{origin.folder}/{path}")
    if digest != right:
        raise ValueError(f"{path} from {place} has the SHA-256 {digest[:12]} and not {str(right)[:12]}: it is not kept")
    target = cache_folder() / origin.folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.{os.getpid()}.new")
    new.write_bytes(content)
    new.replace(target)
    return target


def accepted() -> list[str]:
    """Benchmarks whose licence the user accepts."""
    return [name.strip() for name in os.environ.get(LICENCES, "").split(",")]


def fetch(address: str) -> bytes:
    """What a server sends, tried several times; OSError when it sends nothing or too much."""
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 - an address of ours
                content: bytes = answer.read(LARGEST + 1)
                break
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == TRIES:
                raise
        except OSError:
            if attempt == TRIES:
                raise
        time.sleep(attempt)
    if len(content) > LARGEST:
        raise OSError(f"more than {LARGEST // 1_000_000} MB")
    return content


def check_count(file: DataFile, what: str, count: int, expected: int, any_version: bool = False) -> None:
    """ValueError for a file of another version, unless any version will do."""
    if count != expected and not any_version:
        raise ValueError(
            f"{file.name} holds {count} {what} and not {expected}, SHA-256 {file.sha256[:12]}, known "
            f"{checksums().get(file.name, 'none')[:12]}: it is another version; take the one docs/benchmarks.md names, "
            "or say --task-args any_version=true to run on this one under a version of its own"
        )


def version_of(version: str, files: Sequence[DataFile]) -> str:
    """The task's version; with files of other content than the known ones it names their hash, for it is another."""
    if all(file.known for file in files):
        return version
    return f"{version}+{hashlib.sha256(''.join(file.sha256 for file in files).encode()).hexdigest()[:8]}"


def hashes(files: Sequence[DataFile]) -> dict[str, str]:
    """SHA-256 of each file, for the record."""
    return {file.name: file.sha256 for file in files}
