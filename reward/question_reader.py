"""Reads a question about a scene: which of the few things it can ask, about what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from tasks.composition import plural
from tasks.scene import COLOURS, SHAPES

NUMBERS = {"no": 0, "zero": 0, "one": 1, "a single": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
NUMBERS |= {str(number): number for number in range(10)}
RELATIONS = {
    "left of": "left of",
    "to the left of": "left of",
    "on the left of": "left of",
    "on the left side of": "left of",
    "right of": "right of",
    "to the right of": "right of",
    "on the right of": "right of",
    "on the right side of": "right of",
    "above": "above",
    "over": "above",
    "below": "below",
    "under": "below",
    "beneath": "below",
    "underneath": "below",
}
PLURALS = {plural(shape): shape for shape in SHAPES}


def _any_of(words: list[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


ANY = r"objects?|things?|shapes?|items?"
NOUN = _any_of([*PLURALS, *SHAPES])
COLOUR = _any_of(list(COLOURS))
THING = rf"(?:(?P<colour>{COLOUR}) )?(?P<noun>{NOUN}|{ANY})"
OTHER = rf"(?:(?P<other_colour>{COLOUR}) )?(?P<other>{NOUN}|{ANY})"
NUMBER = rf"(?P<number>{_any_of(list(NUMBERS))})"
RELATION = rf"(?P<relation>{_any_of(list(RELATIONS))})"
PICTURE = r"(?:the |this )?(?:image|picture|scene|drawing)"
EXACTLY = r"(?:exactly |only |just )?"
EVERY = rf"(?:is|does|has|have|do|are) (?:every|each|all|all the|the) (?:{ANY})"
GROUND = r"(?:the )?(?:background|ground)"

FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("count", rf"(?:is|are) there {EXACTLY}{NUMBER} {THING}"),
        ("count", rf"does {PICTURE} (?:show|contain|have) {EXACTLY}{NUMBER} {THING}"),
        ("count", rf"is the number of {THING} (?:exactly |equal to )?{NUMBER}"),
        ("exists", rf"(?:is|are) there (?:an?|any|at least one) {THING}"),
        ("exists", rf"does {PICTURE} (?:show|contain|have) (?:an?|any|at least one) {THING}"),
        ("exists", rf"(?:is|are) (?:an?|the|any) {THING} (?:visible|present|shown|there)"),
        ("exists", rf"can (?:you|one) see (?:an?|any|the) {THING}"),
        (
            "related",
            rf"is (?:the|an?|there an?) {THING} (?:placed |located |positioned )?{RELATION} (?:the|an?) {OTHER}",
        ),
        ("related", rf"does (?:the|an?) {THING} (?:appear|stand|lie) {RELATION} (?:the|an?) {OTHER}"),
        (
            "coloured",
            rf"is (?:the|an?|there an?) (?P<noun>{NOUN}|{ANY})(?: that is)? (?:coloured )?(?P<colour>{COLOUR})",
        ),
        ("coloured", rf"is the colour of the (?P<noun>{NOUN}|{ANY}) (?P<colour>{COLOUR})"),
        (
            "all_coloured",
            rf"(?:is|are) (?:all|all the|every|each|the) (?P<noun>{NOUN}|{ANY}) (?:coloured )?(?P<colour>{COLOUR})",
        ),
        (
            "clean",
            rf"{EVERY} (?:have |drawn with )?(?:an? )?(?:clean and complete|complete and clean) (?:shapes?|outlines?)",
        ),
        ("clean", rf"{EVERY} (?:clean and complete|complete and clean|cleanly and completely drawn)"),
        ("flat", rf"{EVERY} (?:filled with |of )?(?:one|a single) (?:flat|plain|uniform) colour"),
        ("plain", rf"is {GROUND} (?:of )?(?:one|a|a single|just one) (?:plain|flat|uniform|single) colour"),
        ("plain", rf"is {GROUND} (?:plain|uniform|one colour|a single colour)"),
    )
)
"""The kinds of question and the words of each, after case, spelling, stops and `in the picture` are taken away."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question understood; a shape or colour of None means any."""

    kind: str
    shape: str | None = None
    colour: str | None = None
    number: int = 0
    relation: str = ""
    other: str | None = None
    other_colour: str | None = None


@lru_cache(maxsize=4096)
def read_question(text: str) -> Asked | None:
    """What a question asks, or None if it is not one about scenes."""
    words = " ".join(text.lower().replace("color", "colour").strip(" ?.!\n\t").split())
    words = re.sub(r"^in (?:the|this) (?:image|picture|scene|drawing),? ", "", words)
    words = re.sub(r" (?:in|on) (?:the|this) (?:image|picture|scene|drawing)$", "", words)
    for kind, pattern in FORMS:
        match = pattern.fullmatch(words)
        if match:
            return _asked(kind, match.groupdict())
    return None


def _asked(kind: str, found: dict[str, str | None]) -> Asked:
    return Asked(
        kind,
        _shape(found.get("noun")),
        found.get("colour"),
        NUMBERS[found.get("number") or "no"],
        RELATIONS.get(found.get("relation") or "", ""),
        _shape(found.get("other")),
        found.get("other_colour"),
    )


def _shape(noun: str | None) -> str | None:
    return noun if noun in SHAPES else PLURALS.get(noun or "")
