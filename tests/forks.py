"""Starts commands in processes of their own, killed like any other, without importing everything again each time."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parent.parent
SERVER = """
import json, os, sys
import harness.eval_command, reward.questions, reward.verifier_pixels, tasks.scenes, tests.painter
from harness.main import run
for line in sys.stdin:
    child = os.fork()
    if not child:
        os._exit(run(json.loads(line)))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """A parent that has everything imported, and its children one at a time."""

    def __init__(self) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.child = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.parent.kill()
        self.parent.communicate()

    def start(self, arguments: list[str]) -> None:
        """A child that runs one command line."""
        assert self.parent.stdin
        assert self.parent.stdout
        self.parent.stdin.write(json.dumps(arguments).encode() + b"\n")
        self.child = int(self.parent.stdout.readline())

    def ended(self) -> bool:
        """Whether the child has ended by itself."""
        return bool(select.select([self.parent.stdout], [], [], 0)[0])

    def kill(self) -> int:
        """Ends the child at once; its exit code, or minus the signal that hit it."""
        assert self.parent.stdout
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        return int(self.parent.stdout.readline())
