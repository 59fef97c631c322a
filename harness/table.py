"""What a run prints: the table at the end, the progress on the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from harness.missing import counts_as_nothing
from harness.protocol import protocol_of, shown_task
from harness.refinement_table import print_refinement
from harness.regression import told

WIDTH = 120
"""Columns of output that goes to a file or a pipe."""


def figure(found: Mapping[str, Any] | None) -> str:
    """`0.624 ± 0.051`, or the interval in brackets where it is lopsided; a dash where there is no value."""
    if found is None or found["value"] is None:
        return "-"
    around = found["ci"]
    if around is None:
        return f"{found['value']:.3f}"
    up, down = around["high"] - found["value"], found["value"] - around["low"]
    if abs(up - down) < 0.002:
        return f"{found['value']:.3f} ± {(up + down) / 2:.3f}"
    return f"{found['value']:.3f} [{around['low']:.3f}, {around['high']:.3f}]"


def results_table(run: Mapping[str, Any], results: Mapping[str, Any]) -> Table:
    """One line a tag, a compound of tags, a tag of questions, and one for all; a column for each figure."""
    table = Table(title=title(run), title_justify="left")
    table.add_column("tag", no_wrap=True)
    table.add_column("scored", justify="right")
    for metric in results["metrics"]:
        table.add_column(metric["name"], justify="right", no_wrap=True)
    for section in figure_rows(run, results):
        for row in section:
            table.add_row(*row)
        table.add_section()
    return table


def figure_rows(run: Mapping[str, Any], results: Mapping[str, Any]) -> list[list[list[str]]]:
    """The cells of such a table: tags, compounds, tags of questions, and all together."""
    sections = []
    for kind in ("tag", "compound", "question tag"):
        some = [group for group in results["groups"] if group["by"] == kind]
        keys = dict.fromkeys(group["key"] for group in some)
        found = {key: {group["name"]: group for group in some if group["key"] == key} for key in keys}
        sections.append([figure_row(key, cells, results) for key, cells in found.items()])
    whole = {metric["name"]: metric for metric in results["metrics"]}
    return [*sections, [figure_row(run["task"]["headline"], whole, results)]]


def figure_row(key: str, cells: Mapping[str, Mapping[str, Any]], results: Mapping[str, Any]) -> list[str]:
    """One line: its name, how much is scored, and every figure."""
    return [key, scored_of(cells), *(figure(cells.get(metric["name"])) for metric in results["metrics"])]


def scored_of(cells: Mapping[str, Mapping[str, Any]]) -> str:
    """`98/100`: values that the first figure of a line is made of, of those that are planned."""
    first = next(iter(cells.values()))
    return str(first["planned"]) if first["scored"] == first["planned"] else f"{first['scored']}/{first['planned']}"


def title(run: Mapping[str, Any]) -> str:
    """Task, model and verifier in one line."""
    task, notes = run["task"], []
    if run["limited"]:
        notes.append("limited: not for leaderboards")
    if run["missing"] != "exclude" or counts_as_nothing(run):
        notes.append(f"missing values: {run['missing'] if run['missing'] != 'exclude' else 'official'}")
    told = f" ({'; '.join(notes)})" if notes else ""
    name = shown_task(task["name"], protocol_of(run))
    return f"{name}@{task['version']} {task['split']} · {run['model']['id']} · {run['verifier']['name']}{told}"


def print_results(run: Mapping[str, Any], results: Mapping[str, Any], folder: str) -> None:
    """The table, coverage, and where the run folder is, on stdout."""
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(width=WIDTH, markup=False)
    console.print(results_table(run, results))
    images, questions = results["coverage"]["images"], results["coverage"]["questions"]
    console.print(
        f"coverage {images['ok']}/{images['planned']} images, {questions['ok']}/{questions['planned']} questions;"
        f" intervals 95 %, clustered by prompt ({results['metrics'][0]['clusters']} prompts)"
    )
    failed = {status: count for status, count in results["by_status"]["images"].items() if status != "ok"}
    if failed:
        console.print("unscored images: " + ", ".join(f"{count} {status}" for status, count in failed.items()))
    if results["metrics"][0]["strict"] != results["metrics"][0]["value"]:
        console.print(f"strict, every unscored item counted 0: {results['metrics'][0]['strict']:.3f}")
    if results["withheld"]:
        console.print(f"headline withheld: {results['withheld']}", style="bold")
    if results["refinement"] is not None:
        print_refinement(console, results["refinement"])
    for line in told(results["understanding"] or {}):
        console.print(f"understanding {line}", soft_wrap=True)
    console.print(f"run folder: {folder}", soft_wrap=True, highlight=False)


@contextmanager
def progress_bar(total: int, done: int, quiet: bool) -> Iterator[Progress | None]:
    """A bar with the time left on stderr; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        if not quiet:
            print(f"making {total - done} of {total} images", file=sys.stderr, flush=True)
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        bar.add_task("images", total=total, completed=done)
        yield bar
