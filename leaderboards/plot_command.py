"""harness plot: finished runs as bars, a radar, coverage, or curves of training; PNG and SVG, readable in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from harness.ending import DONE, SaveError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("bars", "radar", "coverage", "curves")
FORMS = ("png", "svg")


@dataclass(frozen=True)
class PlotConfig:
    """Draws every plot that these runs have; `--kind` draws one."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, or folders of training runs."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("plots")
    """Folder to write to."""
    kind: str = ""
    """bars, radar, coverage or curves; all that can be drawn when not given."""


def main(arguments: list[str]) -> int:
    """Writes each plot as PNG and as SVG, and says where."""
    config = tyro.cli(PlotConfig, args=arguments, prog="harness plot")
    if config.kind and config.kind not in KINDS:
        from tasks.registry import unknown

        raise ValueError(unknown("plot", config.kind, KINDS))
    if not config.runs:
        raise ValueError("harness plot needs run folders, or the folder of a training run")
    for kind, figure in figures(config).items():
        for path in save(figure, config.output / kind):
            print(path)
    return DONE


def figures(config: PlotConfig) -> dict[str, Figure]:
    """The plots by name; ValueError where one that was asked for cannot be drawn."""
    from harness.stored_run import open_run
    from leaderboards.curves import is_training, read_metrics

    names = named(config.runs)
    metrics = {name: read_metrics(path) for name, path in names.items() if is_training(path)}
    runs = {name: open_run(path).results for name, path in names.items() if not is_training(path)}
    return {
        kind: figure
        for kind in KINDS
        if config.kind in ("", kind) and (figure := draw(kind, runs, metrics, config.kind))
    }


def draw(kind: str, runs: Mapping[str, Any], metrics: Mapping[str, Any], wanted: str) -> Figure | None:
    """One plot; None where these runs have none of this kind and it was not asked for."""
    from leaderboards.curves import curves
    from leaderboards.plot import coverage_bars, headline_tags, radar, tag_bars

    given = metrics if kind == "curves" else runs
    if not given:
        if wanted:
            raise ValueError(f"there is no {'training run' if kind == 'curves' else 'run folder'} to draw {kind} of")
        return None
    if kind == "radar" and not wanted and min(len(headline_tags(one)) for one in runs.values()) < 3:
        return None
    makers: dict[str, Any] = {"bars": tag_bars, "radar": radar, "coverage": coverage_bars, "curves": curves}
    figure: Figure = makers[kind](given)
    return figure


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """The folders by their names; by their whole paths where names are the same."""
    short = {path.resolve().name: path for path in paths}
    return short if len(short) == len(paths) else {path.as_posix(): path for path in paths}


def save(figure: Figure, stem: Path) -> list[Path]:
    """A plot in every form; the same plot gives the same bytes."""
    from leaderboards.plot import drawn

    written = []
    for form in FORMS:
        path = stem.with_name(f"{stem.name}.{form}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(drawn(figure, form))
        except OSError as error:
            raise SaveError(f"{path} cannot be written: {error.strerror}") from error
        written.append(path)
    return written
