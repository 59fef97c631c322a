"""Questions with a dependency graph in a CSV of propositions, the layout that DSG-1k and DPG-Bench share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.sample import YES, Question

COLUMNS = ("item_id", "text", "proposition_id", "dependency", "tuple", "question_natural_language")
"""Columns that are read; others are left alone."""


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt with its rows, in file order."""

    id: str
    prompt: str
    rows: Sequence[Mapping[str, str]]


def items_of(name: str, rows: Sequence[Mapping[str, str]]) -> list[Item]:
    """The items of a file, in order of first mention; ValueError names a column or a text that is missing."""
    for column in COLUMNS:
        if rows and column not in rows[0]:
            raise ValueError(f"{name} has no column {column!r}; it has: {', '.join(map(str, rows[0]))}")
    found: dict[str, list[Mapping[str, str]]] = {}
    for number, row in enumerate(rows, start=2):
        if not all(row[column] for column in COLUMNS):
            raise ValueError(f"row {number} of {name} lacks one of: {', '.join(COLUMNS)}")
        found.setdefault(row["item_id"], []).append(row)
    return [Item(item, some[0]["text"], some) for item, some in found.items()]


def numbers_of(dependency: str) -> tuple[list[str], list[str]]:
    """The parents that a dependency names (0 stands for none), and the stray words among them."""
    words = [word.strip() for word in dependency.split(",") if word.strip()]
    numbers = [str(int(word)) for word in words if word.isdecimal()]
    return [number for number in numbers if number != "0"], [word for word in words if not word.isdecimal()]


def tag_of(tuple_text: str) -> str:
    """`attribute - color` of `attribute - color (cube, purple)`: both levels of a category."""
    wide, _, fine = re.sub(r"\s+", " ", tuple_text.partition("(")[0]).strip().partition("-")
    return f"{wide.strip()} - {fine.strip()}" if fine.strip() else wide.strip()


def questions_of(item: Item, drop_parents: bool = False, worth: Mapping[str, float] = YES) -> tuple[Question, ...]:
    """The yes/no questions of an item, each with its parents unless they are dropped."""
    return tuple(
        Question(
            id=name,
            text=row["question_natural_language"].strip(),
            worth=worth,
            tag=tag_of(row["tuple"]),
            needs=() if drop_parents else tuple(numbers_of(row["dependency"])[0]),
        )
        for name, row in zip(ids_of(item), item.rows, strict=True)
    )


def ids_of(item: Item) -> list[str]:
    """The propositions' ids; where one occurs again, its second row is `5 again` and its third `5 again again`."""
    found: list[str] = []
    for row in item.rows:
        name = row["proposition_id"].strip()
        while name in found:
            name = f"{name} again"
        found.append(name)
    return found


def findings_of(items: Sequence[Item]) -> list[str]:
    """What is odd about the data, item by item; nothing is changed because of it."""
    found = []
    for item in items:
        ids = [row["proposition_id"].strip() for row in item.rows]
        texts = [row["question_natural_language"].strip() for row in item.rows]
        for place, row in enumerate(item.rows):
            parents, stray = numbers_of(row["dependency"])
            where = f"{item.id} question {ids[place]}"
            found += [f"{where}: has the id of an earlier one"] if ids.index(ids[place]) < place else []
            found += [f"{where}: the stray word {word!r} among its parents" for word in stray]
            for parent in parents:
                if parent not in ids:
                    found.append(f"{where}: its parent {parent} does not exist")
                elif parent == ids[place]:
                    found.append(f"{where}: is its own parent")
                elif ids.index(parent) > place:
                    found.append(f"{where}: its parent {parent} comes later")
            if texts.index(texts[place]) < place:
                found.append(f"{where}: repeats question {ids[texts.index(texts[place])]}")
    return found
