"""A board in a terminal: one table for each kind of run, below each what its rows share."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from harness.table import WIDTH
from leaderboards.board import Board
from leaderboards.form import content
from leaderboards.reported import Reported
from leaderboards.sheet import Sheet, sheets


def print_board(board: Board, reported: Sequence[Reported]) -> None:
    """All tables on stdout, and what could not be entered."""
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(width=WIDTH, markup=False)
    for sheet in sheets(*content(board, reported), brief=True):
        console.print(table_of(sheet))
        for note in sheet.notes:
            console.print(note, soft_wrap=True, highlight=False)
    for one in board.apart:
        console.print(f"not entered: {one}", soft_wrap=True, highlight=False)


def table_of(sheet: Sheet) -> Table:
    """One table; words stand left, numbers right."""
    table = Table(title=sheet.title, title_justify="left")
    for head in sheet.heads:
        words = head in sheet.words
        table.add_column(head, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for row in sheet.rows:
        table.add_row(*row)
    return table
