"""The run folder: rows appended as they finish, pictures by their content, JSON replaced whole.

A run that dies at any moment leaves whole rows and at most one torn last line, which is dropped when the run goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from PIL import Image

from harness.claim import claim
from harness.ending import SaveError
from harness.record import Key, Row, VerdictRow

SPARE = 1 << 20
"""Bytes that must be free before anything is made."""
PENDING = 1.0
"""Seconds after which written rows are forced to disk."""


class ResumeError(ValueError):
    """The folder holds another run; nothing was touched."""


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a JSON file at once: sorted keys, UTF-8, never NaN."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise SaveError(f"{path} cannot be written: {error.strerror}") from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file; a torn last line is left out, a broken one elsewhere is an error that names it."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except ValueError:
            if number == len(lines):
                continue
            raise ValueError(f"{path} is damaged: line {number} is not JSON; remove that line to go on") from None
    return rows


def picture_name(image: Image.Image) -> str:
    """A picture's name: the hash of its size and pixels, whatever file they come in (harness.md 3)."""
    plain = image.convert("RGB")
    return hashlib.sha256(f"RGB {plain.width}x{plain.height}\n".encode() + plain.tobytes()).hexdigest()


class RunStore:
    """One run folder, written by one process or by one of several (`rank` of `processes`)."""

    def __init__(self, path: Path, rank: int = 0, processes: int = 1) -> None:
        self.path, self.rank, self.processes = path, rank, processes
        self.files: dict[str, IO[bytes]] = {}
        self.lock: IO[bytes] | None = None
        self.synced = time.monotonic()

    def probe(self) -> None:
        """Proves that the folder can be written, before any work; SaveError says why not."""
        trial = self.path / f".probe.{os.getpid()}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with trial.open("wb") as file:
                file.write(b"\0" * SPARE)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SaveError(f"the output folder {self.path} cannot be written: {error.strerror}") from error
        finally:
            if trial.is_file():
                trial.unlink()

    def part(self, name: str) -> Path:
        """This process's own file of rows."""
        suffix = f".p{self.rank:04d}" if self.processes > 1 else ""
        return self.path / f"{name}{suffix}.jsonl"

    def parts(self, name: str) -> list[Path]:
        """All files of rows: the merged one first."""
        return [self.path / f"{name}.jsonl", *sorted(self.path.glob(f"{name}.p[0-9]*.jsonl"))]

    def claim(self) -> None:
        """Refuses a folder that another live run writes; the claim ends with the process."""
        self.lock = claim(self.path, self.rank, self.processes)
        if self.lock is None:
            raise ResumeError(f"another run is writing to {self.path}; wait for it or choose another folder")

    def found(self) -> dict[str, Any] | None:
        """run.json of a run that is already here."""
        path = self.path / "run.json"
        if not path.exists():
            return None
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ResumeError(f"{path} is damaged; choose another folder or remove it") from None
        return dict(run)

    def repair(self) -> None:
        """Cuts a torn last line off this process's files, so that the next row starts on a line of its own."""
        for name in ("samples", "verdicts"):
            path = self.part(name)
            if not path.exists():
                continue
            content = path.read_bytes()
            if content and not content.endswith(b"\n"):
                with path.open("r+b") as file:
                    file.truncate(content.rfind(b"\n") + 1)

    def save_image(self, image: Image.Image) -> dict[str, Any]:
        """Writes a picture under its content's name, once, and gives its line in the row."""
        name = picture_name(image)
        relative = Path("images") / name[:2] / f"{name}.png"
        path = self.path / relative
        if not path.exists():
            new = path.with_name(f"{name}.{os.getpid()}.new")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                image.convert("RGB").save(new, "PNG")
                new.replace(path)
            except OSError as error:
                raise SaveError(f"{path} cannot be written: {error}") from error
        extremes = image.convert("RGB").getextrema()
        blank = all(low == high for low, high in extremes)  # type: ignore[misc] # one pair a band in RGB
        return {
            "sha256": name,
            "path": relative.as_posix(),
            "width": image.width,
            "height": image.height,
            "blank": blank,
        }

    def append(self, row: Row, verdicts: Iterable[VerdictRow]) -> None:
        """Adds an image's rows; its own row comes last, so a row that is there has its verdicts."""
        lines = "".join(_line(asdict(verdict)) for verdict in verdicts)
        self._write("verdicts", lines)
        self._write("samples", _line(asdict(row)))
        if time.monotonic() - self.synced > PENDING:
            self.sync()

    def _write(self, name: str, text: str) -> None:
        try:
            if name not in self.files:
                self.files[name] = self.part(name).open("ab")
            self.files[name].write(text.encode())
            self.files[name].flush()
        except OSError as error:
            raise SaveError(f"{self.part(name)} cannot be written: {error.strerror}") from error

    def sync(self) -> None:
        """Forces what was written to disk."""
        for file in self.files.values():
            os.fsync(file.fileno())
        self.synced = time.monotonic()

    def close(self) -> None:
        """Everything on disk, the claim given up."""
        self.sync()
        for file in self.files.values():
            file.close()
        self.files.clear()
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def merge(self, plan: Sequence[Key]) -> None:
        """Puts the part files of several processes into one file each, in the plan's order, and removes them."""
        order = {key: place for place, key in enumerate(plan)}
        for name, rows in (("samples", self.rows()), ("verdicts", self.verdicts())):
            parts = self.parts(name)[1:]
            if not parts:
                continue
            lines = sorted(rows.values(), key=lambda row: order.get((row["sample"], row["index"]), len(order)))
            whole, new = self.path / f"{name}.jsonl", self.path / f"{name}.jsonl.new"
            new.write_text("".join(_line(row) for row in lines), encoding="utf-8")
            new.replace(whole)
            for part in parts:
                part.unlink()

    def rows(self) -> dict[Key, dict[str, Any]]:
        """The last row of every image, from all processes."""
        every = [row for path in self.parts("samples") for row in read_lines(path)]
        return {(row["sample"], row["index"]): row for row in every}

    def verdicts(self) -> dict[tuple[str, int, str], dict[str, Any]]:
        """The last verdict of every question, from all processes."""
        every = [row for path in self.parts("verdicts") for row in read_lines(path)]
        return {(row["sample"], row["index"], row["question"]): row for row in every}


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"
