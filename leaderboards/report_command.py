"""harness report: a run, two runs or a training run as a folder of HTML; or one sample in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from harness.ending import DONE

if TYPE_CHECKING:
    from harness.stored_run import StoredRun


@dataclass(frozen=True)
class ReportConfig:
    """Every picture with its questions, verdicts, thought and drafts, in a page that needs no server."""

    run: tyro.conf.Positional[Path]
    """A run folder, or the folder of a training run."""
    after: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(name="run-b")] = None
    """A second run: both are shown side by side, what has turned first."""
    against: Path | None = None
    """The same, by name."""
    truth: Path | None = None
    """A run of the same pictures whose answers are known to be right, to draw how far p(yes) may be believed."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder to write to; RUN/report when not given."""
    sample: str = ""
    """Print this sample in the terminal instead, and write nothing."""


def main(arguments: list[str]) -> int:
    """Writes the report and says where its page is."""
    config = tyro.cli(ReportConfig, args=arguments, prog="harness report")
    other = config.after or config.against
    if config.sample:
        from leaderboards.sample_text import print_sample

        print_sample(opened(config.run, other), config.sample)
        return DONE
    print(f"report: {write(config, other)}")
    return DONE


def write(config: ReportConfig, other: Path | None) -> Path:
    """The page's path. Of a training run the first and the last evaluation are shown side by side."""
    from harness.stored_run import open_run
    from leaderboards.curves import curves, evaluations, is_training, read_metrics, sheets_of
    from leaderboards.plot import drawn
    from leaderboards.report import Extra, write_report

    out = config.output or config.run / "report"
    truth = open_run(config.truth) if config.truth else None
    if not is_training(config.run):
        return write_report(opened(config.run, other), out, Extra(truth))
    if other is not None:
        raise ValueError(f"{config.run} is a training run; two of its evaluations, in held_out/, can be compared")
    found = evaluations(config.run)
    lines = read_metrics(config.run)
    more = Extra(
        truth,
        {"Training": drawn(curves({config.run.name: lines}), "svg")},
        sheets_of(config.run),
        f"Training run {config.run.resolve().name}, {len(lines)} updates",
    )
    return write_report([open_run(one) for one in dict.fromkeys((*found[:1], *found[-1:]))], out, more)


def opened(run: Path, other: Path | None) -> list[StoredRun]:
    """One run or two."""
    from harness.stored_run import open_run

    return [open_run(path) for path in (run, other) if path is not None]
