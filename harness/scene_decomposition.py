"""Prompts into questions by rules alone: scenes of the embedded world, and GenEval's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tasks.composition import NUMBERS, Composition, questions_for, with_article
from tasks.sample import Question
from tasks.scenes import prompts

WORDS = {**NUMBERS, 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


@lru_cache(maxsize=1)
def compositions() -> dict[str, Composition]:
    """What every prompt of the embedded world asks for, by its text."""
    return {one.text: one.composition for side in (True, False) for some in prompts(side).values() for one in some}


def by_rules(row: Mapping[str, Any]) -> tuple[Question, ...] | None:
    """The questions of a prompt that the rules know, or None."""
    if isinstance(row.get("include"), list):
        return of_metadata(row)
    composition = compositions().get(" ".join(str(row["prompt"]).lower().split()))
    return None if composition is None else questions_for(composition)


def of_metadata(row: Mapping[str, Any]) -> tuple[Question, ...]:
    """A line of GenEval's metadata: existence, number, colour and position of each clause, as questions in words."""
    found: list[Question] = []
    there: list[str] = []
    for place, asked in enumerate(row["include"]):
        thing, count = str(asked["class"]), int(asked["count"])
        there.append(f"exists {place}")
        found.append(Question(there[place], f"Is there {with_article(thing)}?", tag="entity"))
        if count > 1:
            text = f"Is the number of objects of the kind {thing!r} exactly {WORDS.get(count, count)}?"
            found.append(Question(f"count {place}", text, tag="count", needs=(there[place],)))
        if "color" in asked:
            text = f"Is the {thing} {asked['color']}?"
            found.append(Question(f"colour {place}", text, tag="attribute", needs=(there[place],)))
    for place, asked in enumerate(row["include"]):
        if "position" in asked:
            relation, target = asked["position"]
            text = f"Is the {asked['class']} {relation} the {row['include'][target]['class']}?"
            found.append(Question(f"position {place}", text, tag="spatial", needs=(there[place], there[target])))
    return tuple(found)
