"""How a command may end: the exit codes and the exceptions that lead to them (harness.md 2.3)."""

from __future__ import annotations

from reward.verifier import VerifierDown

DONE, INTERNAL, CONFIGURATION, GATE, OUTAGE, NUMERIC, SAVING, PREEMPTED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 75, 130


class Outage(Exception):
    """A verifier that cannot be reached, or a failed row under `--on-error stop`."""


class ParityError(Exception):
    """A replay of training does not give the log-probabilities of its rollout."""


class Unfit(Exception):
    """A verifier is right too rarely to be trained on."""


class NumericAbort(Exception):
    """Training has met numbers that are none too many times in a row."""


class SaveError(Exception):
    """The output cannot be written."""


class Damaged(ValueError):
    """A file of a run folder is not what we write; the message names it and the line."""


class Preempted(BaseException):
    """SIGTERM or SIGUSR1: everything is saved and the run can go on.

    Like KeyboardInterrupt it is no Exception, so that no failed request swallows it.
    """


CODES: tuple[tuple[type[BaseException], int], ...] = (
    (KeyboardInterrupt, INTERRUPTED),
    (Preempted, PREEMPTED),
    (SaveError, SAVING),
    (Outage, OUTAGE),
    (VerifierDown, OUTAGE),
    (ParityError, GATE),
    (Unfit, GATE),
    (NumericAbort, NUMERIC),
    (ValueError, CONFIGURATION),
)
"""What ends a command in one sentence; anything else is a bug and is told with its traceback."""


def code_of(failure: BaseException) -> int:
    """The exit code of a command that ends like this."""
    return next((code for kind, code in CODES if isinstance(failure, kind)), INTERNAL)
