"""Runs and boards found below the paths of a command line: what may enter, and why the rest may not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.ending import Damaged
from harness.stored_run import is_run, open_run
from leaderboards.board import Board, is_board, read_board
from leaderboards.entry import Entry, Refused, make_entry
from leaderboards.reported import Reported

HELD_OUT = "held_out"


def gather(paths: Sequence[Path], title: str, trained_on: Sequence[str] = ()) -> Board:
    """One board of all these; ValueError when nothing there is a run or a board, Damaged for what was edited."""
    entries: list[Entry] = []
    reported: list[Reported] = []
    apart, titles = [], [title] if title else []
    for path in paths:
        if is_board(path):
            board = read_board(path)
            entries += board.entries
            reported += board.reported
            titles.append(board.title)
            continue
        for folder in runs_of(path):
            if not is_run(folder) and len(paths) > 1:
                apart.append(f"{folder}: there is no run in it")
                continue
            try:
                entries.append(make_entry(open_run(folder), trained_on))
            except Damaged:
                raise
            except Refused as reason:
                apart.append(f"{folder}: {reason}")
            except ValueError as reason:  # another schema, not finished, no run: said, and the rest is shown
                apart.append(str(reason))
    if not entries and not titles[bool(title) :]:
        raise ValueError("; ".join(apart) or "no run or board was named")
    return Board(titles[0] if titles else "Leaderboard", tuple(entries), tuple(reported), tuple(apart))


def runs_of(path: Path) -> list[Path]:
    """The run in a folder; of a training run its first and last evaluation; or every run right below a folder."""
    if is_run(path):
        return [path]
    evaluations = sorted(one.parent for one in path.glob(f"{HELD_OUT}/*/run.json"))
    if evaluations:
        return evaluations if len(evaluations) == 1 else [evaluations[0], evaluations[-1]]
    return sorted(one.parent for one in path.glob("*/run.json")) or [path]
