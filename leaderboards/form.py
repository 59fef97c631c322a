"""The forms of a board: Markdown, CSV, LaTeX, HTML and JSON. The same board gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.extra import extra
from leaderboards.board import Board, distinct
from leaderboards.ranking import Ranking, rankings
from leaderboards.record import FIELDS, records
from leaderboards.reported import Reported
from leaderboards.sheet import Sheet, sheets

PAGES = Path(__file__).parent / "pages"
FORM_VERSION = 1
TEX = {"\\": r"\textbackslash{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$",
       "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{one: f"\\{one}" for one in "&%$#_{}"}}  # fmt: skip


def content(board: Board, reported: Sequence[Reported]) -> tuple[list[Ranking], list[Reported]]:
    """The tables of a board, and the published ones of its tasks: the board's own, then those that ship."""
    found = rankings(distinct(board.entries))
    tasks = {entry.task for entry in board.entries}
    return found, [one for one in (*board.reported, *reported) if one.task in tasks]


def markdown(board: Board, reported: Sequence[Reported]) -> str:
    """A page for a repository."""
    parts = [f"# {plain(board.title)}"]
    for sheet in sheets(*content(board, reported)):
        table = [sheet.heads, tuple("---" if head in sheet.words else "---:" for head in sheet.heads), *sheet.rows]
        lines = ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in table]
        parts += [f"## {plain(sheet.title)}", "\n".join(lines)]
        parts += ["\n".join(f"- {plain(note)}" for note in sheet.notes)] if sheet.notes else []
    parts += ["## Not entered", "\n".join(f"- {plain(one)}" for one in board.apart)] if board.apart else []
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """A text that Markdown shows as it is."""
    text = " ".join(text.split())
    for one in ("\\", "|", "`", "*", "_", "<", "["):
        text = text.replace(one, "\\" + one)
    return text


def tex(board: Board, reported: Sequence[Reported]) -> str:
    """A tabular with a caption for each table; needs the package booktabs."""
    parts = ["% \\usepackage{booktabs}"]
    for sheet in sheets(*content(board, reported)):
        columns = "".join("l" if head in sheet.words else "r" for head in sheet.heads)
        rows = [" & ".join(tex_text(cell) for cell in row) + r" \\" for row in (sheet.heads, *sheet.rows)]
        caption = tex_text(". ".join((sheet.title, *sheet.notes)) + ".")
        head = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{columns}}}"]
        tail = [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
        parts.append("\n".join([*head, r"\toprule", rows[0], r"\midrule", *rows[1:], *tail]))
    return "\n\n".join(parts) + "\n"


def tex_text(text: str) -> str:
    """A text that LaTeX sets as it is."""
    return "".join(TEX.get(one, one) for one in " ".join(text.split()))


def comma_separated(board: Board, reported: Sequence[Reported]) -> str:
    """Every row of every table, with numbers as they are and nothing where nothing is known."""
    file = io.StringIO()
    writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(value) for name, value in one.items()} for one in records(*content(board, reported)))
    return file.getvalue()


def inert(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def as_json(board: Board, reported: Sequence[Reported]) -> str:
    """Every row, for machines."""
    told = {
        "schema_version": FORM_VERSION,
        "title": board.title,
        "rows": records(*content(board, reported)),
        "not_entered": list(board.apart),
    }
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def page(board: Board, reported: Sequence[Reported]) -> str:
    """One page of HTML without a foreign script; whatever a run says of itself is escaped."""
    jinja = extra("jinja2", "boards")
    environment = jinja.Environment(loader=jinja.FileSystemLoader(PAGES), autoescape=True, trim_blocks=True,
                                    lstrip_blocks=True, undefined=jinja.StrictUndefined)  # fmt: skip
    told: list[Sheet] = sheets(*content(board, reported))
    return str(environment.get_template("board.html").render(title=board.title, sheets=told, apart=board.apart)) + "\n"


Form = Callable[[Board, Sequence[Reported]], str]
FORMS: dict[str, Form] = {"md": markdown, "csv": comma_separated, "tex": tex, "html": page, "json": as_json}
FILES = {"index.html": "html", "board.md": "md", "board.csv": "csv", "board.tex": "tex", "rows.json": "json"}
"""What a published board holds beside its entries."""
