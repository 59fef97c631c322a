"""scenes: the embedded world's benchmark, six tags after GenEval, with held-out compositions.

It has no published figures to reproduce: the world, its questions and its verifier are our own. Both splits are pure
functions of the version; `docs/scenes.md` describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice, permutations, product
from random import Random

from tasks.composition import WORDINGS, Composition, questions_for
from tasks.key import key
from tasks.sample import Request, Sample
from tasks.scene import COLOURS, RELATIONS, SHAPES, Scene, draw_whole, place
from tasks.task import RewardSpec, Task

VERSION = "1"
PROMPTS_PER_TAG = 52
"""Evaluation prompts of each tag."""
HELD_OUT_SHARE = 5
"""One composition in this many is held out of training."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part of the embedded world is asked for."""

    split: str = "evaluation"
    """evaluation, or train for the disjoint training prompts"""
    count: int = 2000
    """Prompts in the train split; the evaluation split has its own fixed number."""
    version: str = VERSION
    """Edition of the prompts; figures of different editions are not compared"""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A composition in one wording."""

    composition: Composition
    wording: str

    @property
    def text(self) -> str:
        """What the model is asked."""
        return self.wording.format(self.composition.phrase)


def _single() -> Iterator[Composition]:
    yield from (Composition("single_object", ((shape, None),)) for shape in SHAPES)


def _two() -> Iterator[Composition]:
    yield from (Composition("two_object", ((a, None), (b, None))) for a, b in permutations(SHAPES, 2))


def _counting() -> Iterator[Composition]:
    yield from (Composition("counting", ((shape, None),) * count) for shape, count in product(SHAPES, (2, 3, 4)))


def _colors() -> Iterator[Composition]:
    yield from (Composition("colors", ((shape, colour),)) for shape, colour in product(SHAPES, COLOURS))


def _position() -> Iterator[Composition]:
    pairs = permutations(SHAPES, 2)
    yield from (
        Composition("position", ((a, None), (b, None)), relation) for (a, b), relation in product(pairs, RELATIONS)
    )


def _color_attr() -> Iterator[Composition]:
    colours = permutations(COLOURS, 2)
    for (a, b), (one, other) in product(permutations(SHAPES, 2), colours):
        yield Composition("color_attr", ((a, one), (b, other)))


TAGS: dict[str, Callable[[], Iterator[Composition]]] = {
    "single_object": _single,
    "two_object": _two,
    "counting": _counting,
    "colors": _colors,
    "position": _position,
    "color_attr": _color_attr,
}
"""The six tags and all that can be asked under each."""


@lru_cache(maxsize=1)
def held_out_pairs() -> frozenset[tuple[str, str]]:
    """Shapes and colours that no training picture joins: two colours of each shape, each colour at least once."""
    shapes = sorted(SHAPES, key=lambda shape: key("scenes", VERSION, "shape", shape))
    colours = sorted(COLOURS, key=lambda colour: key("scenes", VERSION, "colour", colour))
    count = len(colours)
    return frozenset((shape, colours[(2 * row + step) % count]) for row, shape in enumerate(shapes) for step in (0, 1))


@lru_cache(maxsize=1)
def held_out_counts() -> frozenset[tuple[str, int]]:
    """Shapes and numbers never asked for together in training: one number for five of the eight shapes."""
    shapes = sorted(SHAPES, key=lambda shape: key("scenes", VERSION, "count", shape))
    return frozenset((shape, 2 + row % 3) for row, shape in enumerate(shapes[:5]))


def is_held_out(prompt: Prompt) -> bool:
    """Whether a prompt belongs to evaluation: by its composition, or for a single shape in half of its wordings."""
    composition = prompt.composition
    if composition.tag == "single_object":
        return (SHAPES.index(composition.things[0][0]) + WORDINGS.index(prompt.wording)) % 2 == 0
    return _is_held_out(composition)


@cache
def _is_held_out(composition: Composition) -> bool:
    if composition.tag == "colors":
        return composition.things[0] in held_out_pairs()
    if composition.tag == "counting":
        return (composition.things[0][0], len(composition.things)) in held_out_counts()
    asked = [(shape, colour or "") for shape, colour in composition.things]
    if not composition.relation:  # a relation orders its things; without one "a and b" is "b and a"
        asked.sort()
    return key("scenes", VERSION, composition.tag, composition.relation, asked) % HELD_OUT_SHARE == 0


def _fair(composition: Composition) -> bool:
    """A colour binding asks only for pairs that training has shown."""
    return composition.tag != "color_attr" or not held_out_pairs() & set(composition.things)


@lru_cache(maxsize=2)
def prompts(evaluation: bool) -> dict[str, tuple[Prompt, ...]]:
    """All prompts of one side, by tag, in an order that the version decides."""
    found = {}
    for tag, every in TAGS.items():
        side = [
            Prompt(composition, wording)
            for composition, wording in product(filter(_fair, every()), WORDINGS)
            if is_held_out(Prompt(composition, wording)) == evaluation
        ]
        found[tag] = tuple(sorted(side, key=lambda one: key("scenes", VERSION, one.text)))
    return found


def training_scene(seed: int, number: int) -> tuple[str, Scene, Composition]:
    """A training prompt, a scene that satisfies it, and what it asks for; a pure function of its arguments."""
    random = Random(key("scenes", VERSION, "training", seed, number))
    every = prompts(evaluation=False)
    tag = tuple(every)[draw_whole(random, 0, len(every) - 1)]
    prompt = every[tag][draw_whole(random, 0, len(every[tag]) - 1)]
    return prompt.text, _scene(prompt.composition, random), prompt.composition


def scene_for(sample: Sample, seed: int) -> Scene:
    """A scene that satisfies a sample of either split; a pure function of the sample and the seed."""
    things = tuple((shape, colour) for shape, colour in sample.reference["things"])
    composition = Composition(sample.tags[0], things, sample.reference["relation"])
    return _scene(composition, Random(key("scenes", VERSION, "scene", sample.request.prompt, seed)))


@cache
def free_colours(shape: str) -> tuple[str, ...]:
    """The colours that a training picture may give a shape."""
    return tuple(colour for colour in COLOURS if (shape, colour) not in held_out_pairs())


def _scene(composition: Composition, random: Random) -> Scene:
    """Colours left open avoid the held-out pairs."""
    coloured = []
    for shape, colour in composition.things:
        free = free_colours(shape)
        coloured.append((shape, colour or free[draw_whole(random, 0, len(free) - 1)]))
    return place(coloured, composition.relation, random)


def load(arguments: Arguments) -> Task:
    """The task; ValueError for a split, a version or a count that does not exist."""
    if arguments.split not in ("evaluation", "train"):
        raise ValueError(f"scenes has no split named {arguments.split!r}; the splits are: evaluation, train")
    if arguments.version != VERSION:
        raise ValueError(f"scenes has no version {arguments.version!r}; the versions are: {VERSION}")
    return Task(
        name="scenes",
        version=VERSION,
        split=arguments.split,
        samples=tuple(_sample(number, prompt) for number, prompt in enumerate(_chosen(arguments), start=1)),
        reward=RewardSpec(kind="questions", reading="share", combine="geometric", verifier="pixels"),
        headline="mean of tags",
        images=4,
        licence="Apache-2.0",
        citation="image-harness",
    )


def _chosen(arguments: Arguments) -> list[Prompt]:
    """The split's prompts, one of each tag in turn; a tag whose prompts are used up is passed over."""
    evaluation = arguments.split == "evaluation"
    every = prompts(evaluation)
    total, count = sum(map(len, every.values())), PROMPTS_PER_TAG * len(every) if evaluation else arguments.count
    if not 1 <= count <= total:
        raise ValueError(f"scenes has 1 to {total} training prompts to ask for, not {count}")
    rows = max(map(len, every.values()))
    in_turn = (side[row] for row in range(rows) for side in every.values() if row < len(side))
    return list(islice(in_turn, count))


def _sample(number: int, prompt: Prompt) -> Sample:
    composition = prompt.composition
    return Sample(
        id=f"scenes-{number:04d}",
        request=Request(prompt.text),
        questions=questions_for(composition),
        tags=(composition.tag,),
        reference={"things": [list(thing) for thing in composition.things], "relation": composition.relation},
    )
