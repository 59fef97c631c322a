"""The layouts in which evaluations are published: our run folders, tables, VIEScore's and TIIF-Bench's JSON, GenEval.

Each is a function from a file to entries. A cell that holds nothing is no entry: what is missing stays missing.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reward.recorded_boxes import boxes_of_row
from reward.recording import Entry, plain_name, spelled
from reward.verifier import Reply
from tasks.registry import unknown
from tasks.sample import Status

Row = Mapping[str, Any]
LARGEST, LONGEST = 512_000_000, 10_000_000
"""Bytes of the largest file and characters of the longest line that are read."""
SAMPLE = ("sample", "item_id", "prompt_id", "id", "key")
INDEX = ("index", "image_index")
QUESTION = ("question_id", "proposition_id", "question")
ANSWER = ("answer", "vqa_answer", "reply", "response", "evaluation")
MODEL = ("t2i_model", "model")
"""Names of a table's columns, the first that is there counting; numbers in other columns are marks."""
BESIDE = ("group", "status", "error", "probabilities", "seed", "split")
"""Columns that are no marks."""
GEDIT = {"sementics_score": ("SC", ("success", "over-editing")), "quality_score": ("PQ", ("naturalness", "artifacts"))}
"""GEdit-Bench's columns, each the smaller of two marks; their names are spelled as released."""
GUESSED = "guess_if_cannot_parse"
"""What VIEScore writes where it made a score up."""


def read_text(path: Path) -> str:
    """A file's text, a byte-order mark left out; ValueError where it is none."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path} is larger than {LARGEST // 1_000_000} MB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None


def rows_of(path: Path) -> list[tuple[str, Row]]:
    """The rows of a CSV, TSV, JSONL or JSON file, each with its place; names of an object of objects are samples."""
    text = read_text(path)
    if path.suffix in (".csv", ".tsv"):
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
        try:
            rows: list[Any] = list(table)
        except csv.Error as error:
            raise ValueError(f"{path} is no table: {error}") from None
    elif path.suffix == ".jsonl":
        return [
            (f"line {number} of {path}", parsed(line, f"line {number} of {path}"))
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
    else:
        content = load(text, str(path))
        if isinstance(content, Mapping):
            some = [{"sample": name, **one} for name, one in content.items() if isinstance(one, Mapping)]
            rows = some if len(some) == len(content) and some else [content]
        else:
            rows = content if isinstance(content, list) else [content]
    for one in rows:
        if not isinstance(one, Mapping):
            raise ValueError(f"{path} holds {str(one)[:40]!r}, which is no row")
    return [(f"row {number} of {path}", one) for number, one in enumerate(rows, start=1)]


def parsed(line: str, place: str) -> Row:
    """A line's JSON object."""
    if len(line) > LONGEST:
        raise ValueError(f"{place} is longer than {LONGEST // 1_000_000} MB")
    row = load(line, place)
    if not isinstance(row, dict):
        raise ValueError(f"{place} is no JSON object")
    return row


def load(text: str, place: str) -> Any:
    """JSON; ValueError names the place where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is not JSON: {error}") from None


def first_of(row: Row, names: Sequence[str]) -> Any:
    """The first of these columns that the row has with something in it."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def table(place: str, row: Row) -> Iterator[Entry]:
    """A table of answers, replies or marks: DSG's and TIFA's answers, WISE's marks, and what is like them."""
    sample, answer = first_of(row, SAMPLE), first_of(row, ANSWER)
    if sample is None:
        raise ValueError(f"{place} names no sample; it has: {', '.join(map(str, row))}")
    name, index, group = plain_name(spelled(sample)), index_of(place, row), str(row.get("group") or "")
    if set(GEDIT) & set(row):
        for column, (call, marks) in GEDIT.items():
            if row.get(column) not in (None, ""):
                for mark in marks:
                    yield Entry(name, index, Reply("ok", number(row[column])), mark, call, where=place)
        return
    question = first_of(row, QUESTION)
    status: Status = row.get("status") or "ok"
    if answer is not None or status != "ok":
        reply = Reply(
            status, "" if answer is None else spelled(answer), shares(place, row), str(row.get("error") or "")
        )
        yield Entry(name, index, reply, "" if question is None else spelled(question), group, where=place)
        return
    columns = {*SAMPLE, *INDEX, *QUESTION, *ANSWER, *MODEL, *BESIDE}
    for mark, value in row.items():
        if mark not in columns and is_number(value):
            yield Entry(name, index, Reply("ok", number(value)), mark, group, where=place)


def index_of(place: str, row: Row) -> int:
    """The image's number, 0 where the row names none."""
    value = first_of(row, INDEX)
    if value is not None and not str(value).isdecimal():
        raise ValueError(f"{place} has the index {value!r}, which is no whole number")
    return 0 if value is None else int(value)


def is_number(value: Any) -> bool:
    """Whether a cell holds a number."""
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def number(value: Any) -> str:
    """A number's text; one that is none stays as it is, to be refused as a mark."""
    return spelled(float(value)) if is_number(value) else spelled(value)


def shares(place: str, row: Row) -> dict[str, float]:
    """The probabilities beside an answer."""
    found = row.get("probabilities") or {}
    if isinstance(found, str):
        found = load(found, place)
    if not isinstance(found, Mapping) or not all(map(is_number, found.values())):
        raise ValueError(f"{place} has probabilities that are no mapping from tokens to numbers")
    return {str(token): float(one) for token, one in found.items()}


def run(place: str, row: Row) -> Iterator[Entry]:
    """A line of our own verdicts.jsonl. What was said is read again, also where it could not be read or a parent
    without an answer set it aside; what was not said keeps its reason."""
    text, probabilities = row["answer"], row.get("probabilities") or {}
    said = row["status"] in ("ok", "parse_error", "skipped") and bool(text or probabilities)
    status: Status = "ok" if said else row["status"]
    reply = Reply(status, text, probabilities, "" if said else row["error"] or "", str(row.get("served") or ""))
    yield Entry(row["sample"], row["index"], reply, row["question"], row["group"], where=place)
    if row["value"] is None:  # what a judge of marks said instead of them is the reply to all of its group
        yield Entry(row["sample"], row["index"], reply, "", row["group"], where=place)


def viescore(place: str, row: Row) -> Iterator[Entry]:
    """VIEScore's JSON: a list of scores for each picture, in a file named by the group; made-up scores are none."""
    group = Path(place.partition(" of ")[2]).stem
    guessed = str(row.get("reasoning", "")).startswith(GUESSED)
    text = json.dumps({"score": row["score"]})
    reply = Reply("parse_error", error="the score was made up") if guessed else Reply("ok", text)
    yield Entry(plain_name(str(row["sample"])), 0, reply, "", group, where=place)


def tiif(place: str, row: Row) -> Iterator[Entry]:
    """TIIF-Bench's JSON for one picture, MODEL/ATTRIBUTE/LENGTH/NUMBER.json: yes and no in the order of the questions.

    The picture is named by `attribute` and `line_idx`; both answers and whole output are kept, and the answers count.
    """
    said, line = row.get("model_pred", row.get("model_output")), row["line_idx"]
    if said is None or not str(line).isdecimal():
        raise ValueError(f"{place} lacks model_pred and model_output, or has the line_idx {line!r}, no number")
    text = said if isinstance(said, str) else "\n".join(map(spelled, said))
    yield Entry(f"{row['attribute']}/{int(line)}", 0, Reply("ok", text), "", "answers", where=place)


def geneval(place: str, row: Row) -> Iterator[Entry]:
    """A line of GenEval's results: the boxes it kept, and colours as far as its reasons tell them."""
    match = re.search(r"([^/\\]+)[/\\]samples[/\\](\d+)\.\w+$", str(row["filename"]))
    if match is None:
        raise ValueError(f"{place} has the file {row['filename']!r}, which is no PROMPT/samples/NUMBER.png")
    yield Entry(match[1], int(match[2]), Reply("ok", boxes_of_row(place, row)), where=place)


Layout = Callable[[str, Row], Iterator[Entry]]
LAYOUTS: Mapping[str, Layout] = {
    "run": run, "table": table, "viescore": viescore, "tiif": tiif, "geneval": geneval,
}  # fmt: skip
"""Layouts by name."""


def layout_of(path: Path, row: Row, name: str = "auto") -> str:
    """The layout of a file, by the columns of its first row where it is not named."""
    if name != "auto":
        if name not in LAYOUTS:
            raise ValueError(unknown("layout of recorded answers", name, ["auto", *LAYOUTS]))
        return name
    if {"sample", "index", "question", "status", "value", "answer"} <= set(row):
        return "run"
    if {"filename", "details", "correct"} <= set(row):
        return "geneval"
    if {"model_pred", "model_output"} & set(row):
        return "tiif"
    return "viescore" if path.suffix == ".json" and isinstance(row.get("score"), list) else "table"
