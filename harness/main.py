"""The command line: finds a command by its name, and turns what goes wrong into one sentence and an exit code."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path

from harness.ending import CONFIGURATION, DONE, INTERNAL, Preempted, code_of
from harness.process import left_alone
from reward.secret import redact

COMMANDS = {
    "eval": ("harness.eval_command", "generate, verify and score"),
    "score": ("harness.score_command", "judge the pictures of a run again"),
    "train": ("trainer.train_command", "improve a model with the reward of a task"),
    "validate": ("harness.validate_command", "check a task, a question file or a run folder"),
    "ls": ("harness.ls_command", "list tasks, models, verifiers or runs"),
    "compare": ("leaderboards.compare_command", "what changed from one run to another, with a gate"),
    "leaderboard": ("leaderboards.leaderboard_command", "boards of finished runs: show, add, page, publish"),
    "report": ("leaderboards.report_command", "pictures, questions and verdicts of a run, or of two, as HTML"),
    "plot": ("leaderboards.plot_command", "runs as bars, a radar, coverage or curves: PNG and SVG"),
    "regress": ("harness.regress_command", "what a model understands, before and after, with a gate"),
    "export": ("harness.export_command", "hand weights or results to other programs"),
    "doctor": ("harness.doctor_command", "check installation, devices, data and servers"),
    "serve": ("harness.serve_command", "put a verifier behind HTTP"),
    "decompose": ("harness.decompose_command", "turn prompts into questions"),
    "calibrate": ("harness.calibrate_command", "hold a verifier to what is known"),
    "diversity": ("harness.diversity_command", "how far apart the pictures of a prompt lie"),
    "cache": ("harness.cache_command", "list, check or remove kept replies"),
}
"""Commands: the module whose `main(arguments)` runs it, and what it does."""
PACKAGES = ("tasks", "reward", "harness", "trainer", "leaderboards")


def main(arguments: list[str] | None = None) -> None:
    """Runs `harness` and exits with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """The exit code of a command line (harness.md 2.3)."""
    try:
        stranger = misplaced()
        if stranger:
            raise ValueError(stranger)
        if alone := left_alone():
            tell(alone, DONE)
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else CONFIGURATION
    except (KeyboardInterrupt, Preempted) as stop:
        how = "interrupted" if isinstance(stop, KeyboardInterrupt) else "stopped by a signal"
        return tell(f"{how}; what was made is saved, the same command goes on from there", code_of(stop))
    except BrokenPipeError:  # whoever read our output has seen enough: `harness ls tasks | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - the last place where an error can become an exit code
        code = code_of(error)
        if code == INTERNAL:
            print(redact(traceback.format_exc()), file=sys.stderr, end="")
            return code
        return tell(str(error), code)


def dispatch(arguments: list[str]) -> int:
    """Runs the command that the first argument names."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        from tasks.registry import unknown

        raise ValueError(unknown("command", name, COMMANDS))
    code: int = importlib.import_module(COMMANDS[name][0]).main(arguments[1:])
    return code


def overview() -> str:
    """The text of `harness --help`."""
    lines = [f"  harness {name:11} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        ["Evaluates image generators and trains them with the same reward.", "", *lines, "",
         "`harness COMMAND --help` explains a command; `harness eval` alone runs the embedded model."]
    )  # fmt: skip


def misplaced() -> str:
    """A sentence when another distribution answers to the name of one of our packages, else nothing."""
    here = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if found != here:
            where = found or "nowhere"
            return (
                f"the package {name!r} comes from {where} and not from image-harness in {here}; "
                "install image-harness into an environment of its own"
            )
    return ""


def tell(sentence: str, code: int) -> int:
    """Prints why on stderr."""
    print(f"harness: {redact(sentence)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
