"""Edits of the embedded world: a scene, an instruction, and the scene that obeys it with all else left as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from tasks.composition import NUMBERS, QUALITY, RELATION_QUESTIONS, with_article
from tasks.sample import YES, Question
from tasks.scene import QUARTERS, RADII, RELATIONS, SHAPES, SIDE, Scene, Thing, apart, draw_whole, place, related
from tasks.scenes import free_colours

TRIES = 40
"""Places tried for one thing before another scene is made."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: which things it names, the scene before and after, and what is asked about the result."""

    kind: str
    instruction: str
    before: Scene
    after: Scene
    questions: tuple[Question, ...]


def choose(random: Random, choices: tuple[str, ...]) -> str:
    """One of several, by a draw that is the same in every Python."""
    return choices[draw_whole(random, 0, len(choices) - 1)]


def start(random: Random, count: int) -> Scene:
    """A scene of different shapes in colours that training may show."""
    left, wanted = list(SHAPES), []
    for _ in range(count):
        shape = left.pop(draw_whole(random, 0, len(left) - 1))
        wanted.append((shape, choose(random, free_colours(shape))))
    return place(wanted, None, random)


def put(random: Random, thing: Thing, others: tuple[Thing, ...], relation: str | None = None) -> Thing | None:
    """The thing where it has room, in a relation to the first of the others when asked; None if no place is found."""
    near, far = thing.radius + QUARTERS, (SIDE - 1) * QUARTERS - thing.radius
    for _ in range(TRIES):
        put = replace(thing, x=draw_whole(random, near, far), y=draw_whole(random, near, far))
        if (not relation or related(put, others[0], relation)) and all(apart(put, other) for other in others):
            return put
    return None


def new_thing(random: Random, shape: str, colour: str, others: tuple[Thing, ...]) -> Thing | None:
    """One thing more beside others, of a size that fits their number."""
    return put(random, Thing(shape, colour, draw_whole(random, *RADII[len(others) + 1]), 0, 0), others)


def add(random: Random) -> Edit | None:
    """One thing more."""
    before = start(random, draw_whole(random, 1, 2))
    shape = choose(random, tuple(one for one in SHAPES if one not in {thing.shape for thing in before.things}))
    colour = choose(random, free_colours(shape))
    thing = new_thing(random, shape, colour, before.things)
    if thing is None:
        return None
    asked = Asked()
    asked.changed(f"Is there {with_article(shape)}?", "Existence")
    asked.changed(f"Is the {shape} {colour}?", "Attribute")
    asked.keep(before.things, len(before.things) + 1)
    after = replace(before, things=(*before.things, thing))
    return Edit("add", f"add {with_article(f'{colour} {shape}')}", before, after, asked.done())


def remove(random: Random) -> Edit:
    """One thing less."""
    before = start(random, draw_whole(random, 2, 3))
    gone, left = before.things[0], before.things[1:]
    asked = Asked()
    asked.changed(f"Is there {with_article(gone.shape)}?", "Negative", {"no": 1.0})
    asked.keep(left, len(left))
    return Edit("remove", f"remove the {gone.shape}", before, replace(before, things=left), asked.done())


def recolour(random: Random) -> Edit:
    """One thing in another colour."""
    before = start(random, draw_whole(random, 1, 3))
    old, left = before.things[0], before.things[1:]
    colour = choose(random, tuple(one for one in free_colours(old.shape) if one != old.colour))
    asked = Asked()
    asked.changed(f"Is the {old.shape} {colour}?", "Attribute")
    asked.kept(f"Is there {with_article(old.shape)}?", "Existence")
    asked.keep(left, len(before.things))
    after = replace(before, things=(replace(old, colour=colour), *left))
    return Edit("recolour", f"make the {old.shape} {colour}", before, after, asked.done())


def exchange(random: Random) -> Edit | None:
    """Another shape in the place and colour of one thing."""
    before = start(random, draw_whole(random, 1, 3))
    old, left = before.things[0], before.things[1:]
    taken = {thing.shape for thing in before.things}
    fitting = tuple(one for one in SHAPES if one not in taken and old.colour in free_colours(one))
    if not fitting:
        return None
    new = replace(old, shape=choose(random, fitting))
    if not all(apart(new, other) for other in left):
        return None
    asked = Asked()
    asked.changed(f"Is there {with_article(new.shape)}?", "Existence")
    asked.changed(f"Is there {with_article(old.shape)}?", "Negative", {"no": 1.0})
    asked.kept(f"Is the {new.shape} {old.colour}?", "Attribute")
    asked.keep(left, len(before.things))
    words = f"replace the {old.shape} with {with_article(new.shape)}"
    return Edit("replace", words, before, replace(before, things=(new, *left)), asked.done())


def move(random: Random) -> Edit | None:
    """One thing in another relation to a second."""
    before = start(random, 2)
    old, fixed = before.things
    offset = (old.x - fixed.x, old.y - fixed.y)
    free = tuple(one for one, way in RELATIONS.items() if way[0] * offset[0] + way[1] * offset[1] <= 0)
    relation = choose(random, free)
    moved = put(random, old, (fixed,), relation)
    if moved is None:
        return None
    asked = Asked()
    asked.changed(f"Is the {old.shape} {RELATION_QUESTIONS[relation]} the {fixed.shape}?", "Spatial")
    asked.keep((old, fixed), 2)
    words = f"move the {old.shape} {relation} the {fixed.shape}"
    return Edit("move", words, before, replace(before, things=(moved, fixed)), asked.done())


class Asked:
    """Questions about an edit while they are collected: what should have changed, and what should not."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def changed(self, text: str, tag: str, worth: Mapping[str, float] = YES) -> None:
        """Whether it was done as asked."""
        self._ask("c", "changed", text, tag, worth)

    def kept(self, text: str, tag: str) -> None:
        """Whether something is as it was."""
        self._ask("k", "kept", text, tag, YES)

    def keep(self, things: tuple[Thing, ...], total: int) -> None:
        """Whether these things are as they were, and nothing came besides."""
        for thing in things:
            self.kept(f"Is there {with_article(thing.shape)}?", "Existence")
            self.kept(f"Is the {thing.shape} {thing.colour}?", "Attribute")
        self.kept(
            "Is there exactly one object?" if total == 1 else f"Are there exactly {NUMBERS[total]} objects?", "Count"
        )

    def done(self) -> tuple[Question, ...]:
        """All of them, the quality questions last."""
        return (*self.questions, *QUALITY)

    def _ask(self, letter: str, group: str, text: str, tag: str, worth: Mapping[str, float]) -> None:
        number = 1 + sum(question.group == group for question in self.questions)
        self.questions.append(Question(f"{letter}{number}", text, worth, group, tag))


EDITS: dict[str, Callable[[Random], Edit | None]] = {
    "add": add,
    "remove": remove,
    "recolour": recolour,
    "replace": exchange,
    "move": move,
}
"""The five kinds of edit; None where a scene has no room for it."""


def make_edit(kind: str, random: Random) -> Edit:
    """An edit of one kind."""
    while True:
        found = EDITS[kind](random)
        if found is not None:
            return found
