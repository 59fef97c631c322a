"""How a command may end: the exit codes and the exceptions that lead to them (harness.md 2.3)."""

from __future__ import annotations

DONE, INTERNAL, CONFIGURATION, GATE, OUTAGE, NUMERIC, SAVING, PREEMPTED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 75, 130


class Outage(Exception):
    """A verifier that cannot be reached, or a failed row under `--on-error stop`."""


class SaveError(Exception):
    """The output cannot be written."""


class Preempted(BaseException):
    """SIGTERM or SIGUSR1: everything is saved and the run can go on.

    Like KeyboardInterrupt it is no Exception, so that no failed request swallows it.
    """
