"""What a scene prompt asks for, how it is worded, and the questions that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.sample import Question

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four"}

WORDINGS = (
    "{}",
    "a picture of {}",
    "a drawing of {}",
    "an image showing {}",
    "a scene with {}",
    "please draw {}",
    "draw {}",
    "paint {}",
    "show me {}",
    "make a picture with {}",
    "a plain image of {}",
    "i want to see {}",
    "an image of {}",
)
"""Ways to ask for the same thing."""

RELATION_QUESTIONS = {
    "left of": "to the left of",
    "right of": "to the right of",
    "above": "above",
    "below": "below",
}


@dataclass(frozen=True, slots=True)
class Composition:
    """A request in the embedded world: things as (shape, colour or None for any), and a relation of the first two."""

    tag: str
    things: tuple[tuple[str, str | None], ...]
    relation: str | None = None

    @property
    def phrase(self) -> str:
        """The request in English, such as `a red star and a blue heart`."""
        if self.tag == "counting":
            return f"{NUMBERS[len(self.things)]} {plural(self.things[0][0])}"
        link = f" {self.relation} " if self.relation else " and "
        return link.join(with_article(f"{colour} {shape}" if colour else shape) for shape, colour in self.things)


def with_article(words: str) -> str:
    """`a star`, `an orange star`."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(shape: str) -> str:
    """`stars`, `crosses`."""
    return shape + ("es" if shape.endswith("s") else "s")


def questions_for(composition: Composition) -> tuple[Question, ...]:
    """Semantic questions with parents, then quality questions; yes is always good."""
    return (*_semantic(composition), *QUALITY)


def _semantic(composition: Composition) -> list[Question]:
    asked: list[Question] = []

    def ask(text: str, tag: str, needs: Sequence[str] = ()) -> str:
        """The id of a question newly asked."""
        asked.append(Question(f"s{len(asked) + 1}", text, group="semantic", tag=tag, needs=tuple(needs)))
        return asked[-1].id

    shapes = list(dict.fromkeys(shape for shape, _ in composition.things))
    there = {shape: ask(f"Is there {with_article(shape)}?", "Existence") for shape in shapes}
    for shape, colour in composition.things:
        if colour:
            ask(f"Is the {shape} {colour}?", "Attribute", [there[shape]])
    if composition.tag == "counting":
        number = NUMBERS[len(composition.things)]
        ask(f"Are there exactly {number} {plural(shapes[0])}?", "Count", [there[shapes[0]]])
    if composition.relation:
        words = RELATION_QUESTIONS[composition.relation]
        first, second = shapes
        ask(f"Is the {first} {words} the {second}?", "Spatial", [there[first], there[second]])
    total = len(composition.things)
    ask("Is there exactly one object?" if total == 1 else f"Are there exactly {NUMBERS[total]} objects?", "Count")
    return asked


QUALITY = (
    Question("q1", "Does every object have a clean and complete shape?", group="quality", tag="Geometry"),
    Question("q2", "Is every object filled with one flat colour?", group="quality", tag="Texture"),
    Question("q3", "Is the background one plain colour?", group="quality", tag="Coherence"),
)
"""Asked of every scene."""
