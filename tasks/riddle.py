"""What the embedded world takes for known: facts by which a request can mean a shape, a colour or a number unsaid."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.composition import NUMBERS, with_article
from tasks.scene import OPPOSITE

SHAPE_RIDDLES: dict[str, tuple[str, ...]] = {
    "circle": ("round shape without corners", "shape of a coin"),
    "square": ("shape with four equal sides", "shape with four corners and four equal sides"),
    "triangle": ("shape with three sides", "shape with three corners"),
    "diamond": ("shape of a tilted square", "suit with four corners on a playing card"),
    "star": ("shape with five points", "pointed shape of the night sky"),
    "cross": ("shape of the plus sign", "symbol of addition"),
    "heart": ("shape of love", "symbol of valentine"),
    "ring": ("shape of a doughnut", "round shape with a hole inside"),
}
"""Shapes by what is said about them."""

MIXES: dict[str, tuple[str, str]] = {
    "orange": ("red", "yellow"),
    "purple": ("red", "blue"),
    "green": ("blue", "yellow"),
    "pink": ("red", "white"),
    "brown": ("red", "green"),
}
"""Colours by the paints that make them."""

OWNERS: dict[str, tuple[str, ...]] = {
    "red": ("blood", "a tomato"),
    "orange": ("a carrot",),
    "yellow": ("a lemon", "a banana"),
    "green": ("grass", "a leaf"),
    "blue": ("the ocean", "the sky"),
    "purple": ("a grape",),
    "pink": ("a rose",),
    "brown": ("chocolate",),
    "black": ("coal", "the night"),
    "white": ("snow", "milk"),
}
"""Colours by the things that have them."""

COUNTS: dict[int, tuple[str, ...]] = {
    2: ("a bicycle has wheels", "you have hands", "you have eyes", "half of four", "one plus one"),
    3: ("a tricycle has wheels", "a triangle has sides", "a traffic light has colours", "half of six", "two plus one"),
    4: ("a car has wheels", "a square has corners", "there are seasons", "half of eight", "two plus two"),
}
"""Numbers by what is so many."""

REVERSED: dict[str, str] = {
    "left of": "on its left",
    "right of": "on its right",
    "above": "above it",
    "below": "below it",
}
"""How the second thing's place is told from the first: `a star with a heart on its left`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of knowledge: a question in words and its answer."""

    question: str
    answer: str


def shape_fact(shape: str, riddle: str) -> Fact:
    """Which shape a riddle means."""
    return Fact(f"what is the {riddle} ?", shape)


def mix_words(colour: str, turned: bool) -> str:
    """`red mixed with yellow`, or the other way about."""
    first, second = MIXES[colour][::-1] if turned else MIXES[colour]
    return f"{first} mixed with {second}"


def colour_fact(colour: str, words: str) -> Fact:
    """Which colour a thing or a mixture has."""
    return Fact(f"what colour is {words} ?", colour)


def count_fact(number: int, words: str) -> Fact:
    """How many something is."""
    return Fact(f"how many is as many as {words} ?", NUMBERS[number])


def relation_fact(first: str, relation: str, second: str) -> Fact:
    """Where the second of two things is, seen from the first."""
    asked = f"{with_article(first)} is {relation} {with_article(second)} . where is the {second} ?"
    return Fact(asked, f"{OPPOSITE[relation]} the {first}")


def facts() -> list[Fact]:
    """Every fact about shapes, colours and numbers."""
    found = [shape_fact(shape, riddle) for shape, riddles in SHAPE_RIDDLES.items() for riddle in riddles]
    found += [colour_fact(colour, mix_words(colour, turned)) for colour in MIXES for turned in (False, True)]
    found += [colour_fact(colour, owner) for colour, owners in OWNERS.items() for owner in owners]
    return found + [count_fact(number, words) for number, many in COUNTS.items() for words in many]
