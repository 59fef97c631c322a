"""The run folder: rows appended as they finish, pictures by their content, JSON replaced whole.

A run that dies at any moment leaves whole rows and at most one torn last line, which is dropped when the run goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from PIL import Image

from harness.claim import claim, others, turn
from harness.ending import SaveError
from harness.json_lines import json_line, read_lines
from harness.picture import is_blank, picture_name, plain
from harness.record import Key, Row, VerdictRow
from harness.stored_picture import place_of

SPARE = 1 << 20
"""Bytes that must be free before anything is made."""
PENDING = 1.0
"""Seconds after which written rows are forced to disk."""
PATIENCE = 60.0
"""Seconds that the processes of a launch may start apart."""


class ResumeError(ValueError):
    """The folder holds another run; nothing was touched."""


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

    def part(self, name: str, rank: int | None = None) -> Path:
        """The file of rows of one process, this one when not said."""
        suffix = f".p{self.rank if rank is None else rank:04d}" if self.processes > 1 else ""
        return self.path / f"{name}{suffix}.jsonl"

    def parts(self, name: str) -> list[Path]:
        """All files of rows: the merged one first."""
        return [self.path / f"{name}.jsonl", *sorted(self.path.glob(f"{name}.p[0-9]*.jsonl"))]

    def claim(self, plan: Sequence[Key]) -> None:
        """Refuses a folder that another live run writes, then puts away what a stopped launch left in part files.

        Claims are taken one at a time, so that no process begins while another merges; one ends with its process.
        """
        with turn(self.path):
            self.lock = claim(self.path, self.rank, self.processes)
            if self.lock is None:
                raise ResumeError(f"another run is writing to {self.path}; wait for it or choose another folder")
            if not others(self.path, self.rank):
                self.merge(plan)
        self.repair()

    def finish(self, plan: Sequence[Key]) -> bool:
        """Gives the claim up; the last process of a launch merges the rows first and is told so.

        A process that finds itself alone with images missing waits for those of its launch that have not begun.
        """
        self.close_files()
        deadline = time.monotonic() + (PATIENCE if self.processes > 1 else 0.0)
        while True:
            with turn(self.path):
                last = not others(self.path, self.rank)
                late = last and self.unseen() and not set(plan) <= set(self.rows())
                if not late or time.monotonic() >= deadline:
                    if last:
                        self.merge(plan)
                    self.close()
                    return last
            time.sleep(0.1)

    def unseen(self) -> bool:
        """Whether a process of this launch has not written anything yet."""
        return any(not self.part("samples", rank).exists() for rank in range(self.processes))

    def found(self) -> dict[str, Any] | None:
        """run.json of a run that is already here."""
        path = self.path / "run.json"
        if not path.exists():
            return None
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            run = None
        if not isinstance(run, dict) or not {"id", "config", "config_hash", "started"} <= set(run):
            raise ResumeError(f"{path} is damaged; choose another folder or remove it")
        return run

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
        relative = place_of(name)
        path = self.path / relative
        if not path.exists():
            new = path.with_name(f"{name}.{os.getpid()}.new")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                plain(image).save(new, "PNG")
                new.replace(path)
            except OSError as error:
                raise SaveError(f"{path} cannot be written: {error}") from error
        return {
            "sha256": name,
            "path": relative.as_posix(),
            "width": image.width,
            "height": image.height,
            "blank": is_blank(image),
        }

    def append(self, row: Row, verdicts: Iterable[VerdictRow]) -> None:
        """Adds an image's rows; its own row comes last, so a row that is there has its verdicts."""
        lines = "".join(json_line(asdict(verdict)) for verdict in verdicts)
        self._write("verdicts", lines)
        self._write("samples", json_line(asdict(row)))
        if time.monotonic() - self.synced > PENDING:
            self.sync()

    def _write(self, name: str, text: str) -> None:
        path, left = self.part(name), memoryview(text.encode())
        try:
            if name not in self.files:
                self.files[name] = path.open("ab", buffering=0)
            file = self.files[name]
            whole = os.fstat(file.fileno()).st_size
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                file.truncate(whole)  # the next batch may find room, and must not go on in the middle of a line
                raise
        except OSError as error:
            raise SaveError(f"{path} cannot be written: {error.strerror}") from error

    def sync(self) -> None:
        """Forces what was written to disk."""
        try:
            for file in self.files.values():
                os.fsync(file.fileno())
        except OSError as error:
            raise SaveError(f"the rows in {self.path} cannot be written: {error.strerror}") from error
        self.synced = time.monotonic()

    def close_files(self) -> None:
        """Everything on disk."""
        self.sync()
        for file in self.files.values():
            file.close()
        self.files.clear()

    def close(self) -> None:
        """Everything on disk, the claim given up."""
        self.close_files()
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def merge(self, plan: Sequence[Key]) -> None:
        """Puts the part files of several processes into one file each, in the plan's order, and removes them."""
        parts = [part for name in ("samples", "verdicts") for part in self.parts(name)[1:]]
        if not parts:
            return
        order = {key: place for place, key in enumerate(plan)}
        for name, rows in (("verdicts", self.verdicts()), ("samples", self.rows())):
            lines = sorted(rows.values(), key=lambda row: order.get((row["sample"], row["index"]), len(order)))
            new = self.path / f"{name}.jsonl.new"
            new.write_text("".join(json_line(row) for row in lines), encoding="utf-8")
            new.replace(self.path / f"{name}.jsonl")
        for part in parts:
            part.unlink()

    def rows(self) -> dict[Key, dict[str, Any]]:
        """The row of every image: the last one that is ok, or the last."""
        return {key: row for key, (row, _) in self._chosen().items()}

    def done(self) -> set[Key]:
        """Images that need not be made again: scored, and their picture is still there."""
        return {
            key
            for key, row in self.rows().items()
            if row["status"] == "ok" and row["image"] and (self.path / row["image"]["path"]).is_file()
        }

    def _chosen(self) -> dict[Key, tuple[dict[str, Any], Path]]:
        found: dict[Key, tuple[dict[str, Any], Path]] = {}
        for path in self.parts("samples"):
            for row in read_lines(path, ("sample", "index", "status")):
                key = (row["sample"], row["index"])
                if key not in found or row["status"] == "ok" or found[key][0]["status"] != "ok":
                    found[key] = (row, path)
        return found

    def verdicts(self) -> dict[tuple[str, int, str], dict[str, Any]]:
        """The last verdict of every question, from the process whose row of the image counts."""
        owner = {key: path.name.removeprefix("samples") for key, (_, path) in self._chosen().items()}
        return {
            (row["sample"], row["index"], row["question"]): row
            for path in self.parts("verdicts")
            for row in read_lines(path, ("sample", "index", "question"))
            if owner.get((row["sample"], row["index"])) == path.name.removeprefix("verdicts")
        }
