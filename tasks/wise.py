"""What the two benchmarks named WISE share: their schema, their tags by id range, and the reading of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.data import DataFile, Origin, check_count
from tasks.sample import Question, Request, Sample

ORIGIN = Origin("WISE", "PKU-YuanGroup/WISE", "eb51174483a5de2e34e8614cf9dfb3319ee7fcd0", "none stated")
ITEMS = 1000
SCIENCES = ("biology", "physics", "chemistry")


def rows_of(files: Sequence[DataFile], any_version: bool) -> list[dict[str, Any]]:
    """The items of all files by id; ValueError for ids that are not 1 to 1000."""
    rows = sorted((row for file in files for row in file.json()), key=lambda row: int(row["prompt_id"]))
    check_count(files[0], "items with those of its fellow files", len(rows), ITEMS, any_version)
    if [row["prompt_id"] for row in rows] != list(range(1, len(rows) + 1)):
        raise ValueError(f"the ids in {', '.join(file.name for file in files)} are not 1 to {len(rows)} without gaps")
    return rows


def tag_of(number: int, last: Mapping[str, int]) -> str:
    """The tag of an item, by its id and not by the category that its row names."""
    return next(tag for tag, end in last.items() if number <= end)


def sample_of(row: Mapping[str, Any], questions: tuple[Question, ...], last: Mapping[str, int]) -> Sample:
    """An item; the explanation is the judge's alone."""
    number = int(row["prompt_id"])
    return Sample(
        id=str(number),
        request=Request(row["Prompt"]),
        questions=questions,
        tags=(tag_of(number, last),),
        reference={"explanation": row["Explanation"], "subcategory": row["Subcategory"]},
    )


def findings_of(rows: Sequence[Mapping[str, Any]], last: Mapping[str, int]) -> list[str]:
    """Prompts that occur twice, and sciences whose named category is another than the id's tag."""
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        number, prompt = int(row["prompt_id"]), row["Prompt"].strip()
        if prompt in seen:
            found.append(f"item {number}: has the prompt of item {seen[prompt]}")
        seen.setdefault(prompt, number)
        tag, named = tag_of(number, last), row["Category"].strip().lower()
        if named in SCIENCES and named != tag:
            found.append(f"item {number}: its row says {named}, its id says {tag}")
    return found
