"""scenes-reason: the embedded world asked for indirectly; what is wanted must be inferred before it can be drawn.

It has no published figures to reproduce: the world, its questions and its verifier are our own. Five kinds of inference
are its tags. A picture is judged by the questions of the plain request that the prompt amounts to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, permutations, product

from tasks.composition import WORDINGS, Composition, plural, questions_for, with_article
from tasks.key import key
from tasks.registry import unknown
from tasks.riddle import (
    COUNTS,
    MIXES,
    OWNERS,
    REVERSED,
    SHAPE_RIDDLES,
    Fact,
    colour_fact,
    count_fact,
    mix_words,
    relation_fact,
    shape_fact,
)
from tasks.sample import Request, Sample
from tasks.scene import COLOURS, RELATIONS, SHAPES
from tasks.scenes import held_out_pairs
from tasks.task import RewardSpec, Task

VERSION = "1"
PROMPTS_PER_TAG = 48
"""Evaluation prompts of each tag."""
HELD_OUT_SHARE = 5
"""One riddle in this many is held out of training."""
SPLITS = ("evaluation", "train")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part of the riddles is asked for."""

    split: str = "evaluation"
    """evaluation, or train for the disjoint training prompts"""
    count: int = 1000
    """Prompts in the train split; the evaluation split has its own fixed number."""
    version: str = VERSION
    """Edition of the prompts; figures of different editions are not compared"""


@dataclass(frozen=True, slots=True)
class Riddle:
    """An indirect request, the plain one it amounts to, and the fact that leads from one to the other."""

    tag: str
    phrase: str
    meant: Composition
    fact: Fact


def _shapes() -> Iterator[Riddle]:
    for shape, riddles in SHAPE_RIDDLES.items():
        for riddle, colour in product(riddles, (None, *COLOURS)):
            meant = Composition("colors" if colour else "single_object", ((shape, colour),))
            phrase = with_article(f"{colour} {riddle}" if colour else riddle)
            yield Riddle("shape_riddle", phrase, meant, shape_fact(shape, riddle))


def _coloured(tag: str, colour: str, words: str) -> Iterator[Riddle]:
    for shape in SHAPES:
        phrase = f"{with_article(shape)} in the colour of {words}"
        yield Riddle(tag, phrase, Composition("colors", ((shape, colour),)), colour_fact(colour, words))


def _mixes() -> Iterator[Riddle]:
    for colour, turned in product(MIXES, (False, True)):
        yield from _coloured("colour_mixing", colour, mix_words(colour, turned))


def _owners() -> Iterator[Riddle]:
    for colour, owners in OWNERS.items():
        for owner in owners:
            yield from _coloured("colour_of_things", colour, owner)


def _numbers() -> Iterator[Riddle]:
    for number, many in COUNTS.items():
        for words, shape in product(many, SHAPES):
            phrase = f"as many {plural(shape)} as {words}"
            meant = Composition("counting", ((shape, None),) * number)
            yield Riddle("number_riddle", phrase, meant, count_fact(number, words))


def _relations() -> Iterator[Riddle]:
    for (first, second), relation in product(permutations(SHAPES, 2), RELATIONS):
        phrase = f"{with_article(second)} with {with_article(first)} {REVERSED[relation]}"
        meant = Composition("position", ((first, None), (second, None)), relation)
        yield Riddle("reversed_relation", phrase, meant, relation_fact(first, relation, second))


TAGS: dict[str, Callable[[], Iterator[Riddle]]] = {
    "shape_riddle": _shapes,
    "colour_mixing": _mixes,
    "colour_of_things": _owners,
    "number_riddle": _numbers,
    "reversed_relation": _relations,
}
"""The kinds of inference and all that can be asked under each."""


def _shown(riddle: Riddle) -> bool:
    """What is hard about a riddle is the inference, so it means only what training has shown."""
    return not held_out_pairs() & set(riddle.meant.things)


@lru_cache(maxsize=2)
def riddles(evaluation: bool) -> dict[str, tuple[tuple[Riddle, str], ...]]:
    """Every riddle of one side in each wording, by tag, in an order that the version decides."""
    found = {}
    for tag, every in TAGS.items():
        side = [
            (riddle, wording.format(riddle.phrase))
            for riddle, wording in product(filter(_shown, every()), WORDINGS)
            if (key("scenes-reason", VERSION, riddle.phrase) % HELD_OUT_SHARE == 0) == evaluation
        ]
        found[tag] = tuple(sorted(side, key=lambda one: key("scenes-reason", VERSION, one[1])))
    return found


def load(arguments: Arguments) -> Task:
    """The task; ValueError for a split, a version or a count that does not exist."""
    if arguments.split not in SPLITS:
        raise ValueError(unknown("split of scenes-reason", arguments.split, SPLITS))
    if arguments.version != VERSION:
        raise ValueError(f"scenes-reason has no version {arguments.version!r}; the versions are: {VERSION}")
    evaluation = arguments.split == "evaluation"
    every = riddles(evaluation)
    total, count = sum(map(len, every.values())), PROMPTS_PER_TAG * len(every) if evaluation else arguments.count
    if not 1 <= count <= total:
        raise ValueError(f"scenes-reason has 1 to {total} training prompts to ask for, not {count}")
    rows = max(map(len, every.values()))
    in_turn = (side[row] for row in range(rows) for side in every.values() if row < len(side))
    return Task(
        name="scenes-reason",
        version=VERSION,
        split=arguments.split,
        samples=tuple(_sample(number, *one) for number, one in enumerate(islice(in_turn, count), start=1)),
        reward=RewardSpec(kind="questions", reading="share", combine="geometric", verifier="pixels"),
        headline="mean of tags",
        images=4,
        licence="Apache-2.0",
        citation="image-harness",
    )


def _sample(number: int, riddle: Riddle, prompt: str) -> Sample:
    return Sample(
        id=f"scenes-reason-{number:04d}",
        request=Request(prompt),
        questions=questions_for(riddle.meant),
        tags=(riddle.tag,),
        reference={
            "meant": riddle.meant.phrase,
            "things": [list(thing) for thing in riddle.meant.things],
            "relation": riddle.meant.relation,
        },
    )
