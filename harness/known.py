"""Pictures about which the truth is known: rendered scenes, and files of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from harness.spoilt_scene import SPOILT, to_image
from tasks.composition import NUMBERS, QUALITY, RELATION_QUESTIONS, plural, with_article
from tasks.key import key
from tasks.question_file import parsed
from tasks.registry import unknown
from tasks.scene import COLOURS, RELATIONS, SHAPES, Scene, related, render
from tasks.scenes import Arguments, load, scene_for
from tasks.task import Task

KEYS = ("image", "question", "truth", "rating", "tag")
"""Keys of a line of a file of one's own."""
LARGEST = 64_000_000
"""Pixels of the largest picture that is opened."""
WORDS: Mapping[Any, bool] = {"yes": True, "no": False, True: True, False: False}


@dataclass(frozen=True, slots=True)
class Known:
    """A question about a picture and its true answer, or what people gave the picture."""

    image: Image.Image
    text: str
    truth: float
    """1 for yes, 0 for no; or a mean rating on whatever scale"""
    tag: str
    picture: str
    """Name of the picture or prompt, whose questions belong together"""


@dataclass(frozen=True, slots=True)
class KnownSet:
    """Questions with known answers."""

    name: str
    asked: tuple[Known, ...]
    rated: bool = False
    """Whether the truths are ratings, which only an order can be held to"""
    task: Task | None = None
    """Whose reward judges each picture as a whole, with the sample that `text` names; without it the text is asked"""


def known_scenes(count: int, seed: int) -> KnownSet:
    """So many rendered scenes of the evaluation prompts, each asked as often to say yes as to say no."""
    samples = load(Arguments()).samples
    asked: list[Known] = []
    for number in range(count):
        sample = samples[number % len(samples)]
        scene = scene_for(sample, seed + number // len(samples))
        random = Random(key("calibrate", seed, number))
        image, name = Image.fromarray(render(scene)), f"{sample.id}.{number // len(samples)}"
        asked += [Known(image, text, float(true), tag, name) for tag, text, true in questions(scene, random)]
        for one in QUALITY:
            asked.append(Known(image, one.text, 1.0, one.tag, name))
            asked.append(Known(to_image(SPOILT[one.id](scene, random)), one.text, 0.0, one.tag, name))
    return KnownSet("scenes", tuple(asked))


def questions(scene: Scene, random: Random) -> Iterator[tuple[str, str, bool]]:
    """Tag, question and true answer about what a scene holds, as often yes as no."""
    things = scene.things
    first = random.choice(things)
    absent = [shape for shape in SHAPES if all(thing.shape != shape for thing in things)]
    yield "Existence", f"Is there {with_article(first.shape)}?", True
    yield "Existence", f"Is there {with_article(random.choice(absent))}?", False
    other = [name for name in COLOURS if all(thing.colour != name or thing.shape != first.shape for thing in things)]
    yield "Attribute", f"Is the {first.shape} {first.colour}?", True
    yield "Attribute", f"Is the {first.shape} {random.choice(other)}?", False
    alike = sum(thing.shape == first.shape for thing in things)
    for count, noun in ((alike, first.shape), (len(things), "object")):
        yield "Count", counted(count, noun), True
        yield "Count", counted(random.choice([number for number in NUMBERS if number != count]), noun), False
    if len(things) == 2 and things[0].shape != things[1].shape:
        yield from relations(scene)


def relations(scene: Scene) -> Iterator[tuple[str, str, bool]]:
    """The relation that clearly holds between two things, and one other of the four in turn."""
    one, other = scene.things
    for number, relation in enumerate(RELATIONS):
        if related(one, other, relation):
            false = [name for name in RELATIONS if name != relation][(one.x + number) % 3]
            for name in (relation, false):
                yield "Spatial", f"Is the {one.shape} {RELATION_QUESTIONS[name]} the {other.shape}?", name == relation


def counted(number: int, noun: str) -> str:
    """The question for an exact number."""
    return f"Is there exactly one {noun}?" if number == 1 else f"Are there exactly {NUMBERS[number]} {plural(noun)}?"


def known_file(path: Path) -> KnownSet:
    """Lines of `image` (relative to the file), `question`, and `truth` (yes or no) or `rating`; ValueError names what
    is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the file {path} cannot be read: {error}") from None
    rows = [
        (f"line {number} of {path}", parsed(line, f"line {number} of {path}"))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise ValueError(f"the file {path} holds no questions")
    pictures: dict[str, Image.Image] = {}
    rated = "rating" in rows[0][1]
    return KnownSet(path.stem, tuple(line_of(place, row, path.parent, pictures, rated) for place, row in rows), rated)


def line_of(place: str, row: Mapping[str, Any], folder: Path, pictures: dict[str, Image.Image], rated: bool) -> Known:
    """A line's question."""
    for key_given in row:
        if key_given not in KEYS:
            raise ValueError(f"{place}: {unknown('key', key_given, KEYS)}")
    wanted = "rating" if rated else "truth"
    for name in ("image", "question", wanted):
        if name not in row:
            raise ValueError(f"{place} has no {name}")
    truth = row[wanted] if rated else WORDS.get(row["truth"])
    if not isinstance(truth, int | float) or (rated and isinstance(truth, bool)):
        raise ValueError(f"{place}: {wanted} is {json.dumps(row[wanted])}, not {'a number' if rated else 'yes or no'}")
    name = str(row["image"])
    if name not in pictures:
        pictures[name] = open_picture(folder / name, place)
    return Known(pictures[name], str(row["question"]), float(truth), str(row.get("tag", "")), name)


def open_picture(path: Path, place: str) -> Image.Image:
    """A picture, wholly read; ValueError says who asked for it."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"more than {LARGEST} pixels")
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{place}: the picture {path} cannot be read: {error}") from None
