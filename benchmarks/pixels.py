"""How often the pixel verifier is right on rendered scenes, and how fast: `python -m benchmarks.pixels`."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from reward.question_reader import read_question
from reward.verifier import Query
from reward.verifier_pixels import Arguments, build
from tasks.composition import NUMBERS, QUALITY, RELATION_QUESTIONS, plural, with_article
from tasks.scene import COLOURS, QUARTERS, RELATIONS, SHAPES, SIDE, Scene, coverage, related, render
from tasks.scenes import training_scene

Table = Counter[tuple[str, bool, str]]
"""How often each (kind of question, true answer, verifier's answer) occurs."""
Levels = NDArray[np.float64]


def noisy(image: Image.Image, number: int) -> Image.Image:
    """Gaussian noise of 8 levels."""
    random = np.random.default_rng((8, number))
    return to_image(np.asarray(image) + random.normal(0.0, 8.0, (image.height, image.width, 3)))


def blurred(image: Image.Image, number: int) -> Image.Image:  # noqa: ARG001 - one signature for all
    """Gaussian blur of radius 0.6 pixels."""
    return image.filter(ImageFilter.GaussianBlur(0.6))


def compressed(image: Image.Image, number: int) -> Image.Image:  # noqa: ARG001 - one signature for all
    """JPEG of quality 85 without chroma subsampling."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, subsampling=0)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")


CORRUPTIONS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "clean": lambda image, _number: image,
    "noise 8/255": noisy,
    "blur 0.6 px": blurred,
    "JPEG 85 4:4:4": compressed,
}


def to_image(levels: Levels) -> Image.Image:
    """Levels clipped and rounded."""
    return Image.fromarray(levels.clip(0, 255).round().astype(np.uint8))


def questions(scene: Scene, random: Random) -> Iterator[tuple[str, bool]]:
    """Questions about what a scene holds, with their true answers, as often yes as no."""
    things = scene.things
    first = random.choice(things)
    absent = [shape for shape in SHAPES if all(thing.shape != shape for thing in things)]
    yield f"Is there {with_article(first.shape)}?", True
    yield f"Is there {with_article(random.choice(absent))}?", False
    other = [name for name in COLOURS if all(thing.colour != name or thing.shape != first.shape for thing in things)]
    yield f"Is the {first.shape} {first.colour}?", True
    yield f"Is the {first.shape} {random.choice(other)}?", False
    alike = sum(thing.shape == first.shape for thing in things)
    for count, noun in ((alike, first.shape), (len(things), "object")):
        yield counted(count, noun), True
        yield counted(random.choice([number for number in NUMBERS if number != count]), noun), False
    if len(things) == 2 and things[0].shape != things[1].shape:
        yield from relations(scene)


def relations(scene: Scene) -> Iterator[tuple[str, bool]]:
    """The relation that clearly holds between two things, and one other of the four in turn."""
    one, other = scene.things
    for number, relation in enumerate(RELATIONS):
        if related(one, other, relation):
            false = [name for name in RELATIONS if name != relation][(one.x + number) % 3]
            for name in (relation, false):
                yield f"Is the {one.shape} {RELATION_QUESTIONS[name]} the {other.shape}?", name == relation


def counted(number: int, noun: str) -> str:
    """The question for an exact number."""
    return f"Is there exactly one {noun}?" if number == 1 else f"Are there exactly {NUMBERS[number]} {plural(noun)}?"


def cut(scene: Scene, random: Random) -> Levels:  # noqa: ARG001 - one signature for all
    """The scene without the right half of one thing."""
    levels = render(scene).astype(np.float64)
    covered = mask(scene)
    covered[:, : scene.things[0].x // QUARTERS] = False
    levels[covered] = scene.ground
    return levels


def chequered(scene: Scene, random: Random) -> Levels:
    """The scene with one thing in squares of two shades, 70 levels apart; no white one, whose shade is the ground's."""
    first = scene.things[0]
    shown = replace(first, colour=random.choice(["red", "blue"])) if first.colour == "white" else first
    levels = render(replace(scene, things=(shown, *scene.things[1:])))
    rows, columns = np.indices((SIDE, SIDE)) // 3
    shade = 70.0 if shown.colour == "black" else -70.0
    spoilt: Levels = levels + (shade * ((rows + columns) % 2) * mask(scene))[:, :, None]
    return spoilt


def sloping(scene: Scene, random: Random) -> Levels:
    """The scene on a ground that grows 60 levels darker from one side to the other."""
    levels, slope = render(scene).astype(np.float64), np.linspace(0.0, -60.0, SIDE)[:: random.choice((1, -1)), None]
    return levels + np.where((levels == scene.ground).all(-1, keepdims=True), slope, 0.0)


def mask(scene: Scene) -> NDArray[np.bool_]:
    """The pixels that the first thing touches."""
    thing, frame = scene.things[0], np.zeros((SIDE + 20, SIDE + 20), dtype=bool)
    left, top = thing.x // QUARTERS, thing.y // QUARTERS
    frame[top : top + 20, left : left + 20] = coverage(
        thing.shape, thing.radius, thing.x % QUARTERS, thing.y % QUARTERS
    )
    return frame[10:-10, 10:-10]


SPOILT: dict[str, Callable[[Scene, Random], Levels]] = {"q1": cut, "q2": chequered, "q3": sloping}
"""For each question of quality, how a scene is made whose answer is no."""


def asked(
    scene: Scene, number: int, corrupt: Callable[[Image.Image, int], Image.Image]
) -> Iterator[tuple[Query, bool]]:
    """Every question about a scene, and about spoilt pictures of it, with its true answer."""
    random = Random(number)
    image = corrupt(Image.fromarray(render(scene)), number)
    yield from ((Query((image,), text), true) for text, true in questions(scene, random))
    for question in QUALITY:
        yield Query((image,), question.text), True
        yield Query((corrupt(to_image(SPOILT[question.id](scene, random)), number),), question.text), False


def confusion(num_scenes: int, corrupt: Callable[[Image.Image, int], Image.Image]) -> Table:
    """The verifier's answers on scenes made for this alone."""
    verifier, table = build(Arguments()), Table()
    for number in range(num_scenes):
        queries, truths = zip(*asked(training_scene(77, number)[1], number, corrupt), strict=True)
        for query, true, reply in zip(queries, truths, verifier.ask(queries), strict=True):
            kind = read_question(query.text)
            table[kind.kind if kind else "unread", true, reply.text or reply.status] += 1
    return table


def share_right(table: Table) -> float:
    """Share of questions answered rightly."""
    return sum(count for (_, true, said), count in table.items() if said == ("yes" if true else "no")) / table.total()


def accuracy(num_scenes: int = 2000) -> dict[str, Table]:
    """Prints a confusion table for each corruption, and returns them."""
    tables = {}
    for name, corrupt in CORRUPTIONS.items():
        table = tables[name] = confusion(num_scenes, corrupt)
        print(f"\n{name}: {100 * share_right(table):.2f} % of {table.total()} questions on {num_scenes} scenes")
        print(f"  {'kind':10} {'yes->yes':>9} {'yes->no':>9} {'no->no':>9} {'no->yes':>9} {'right':>8}")
        for kind in sorted({kind for kind, _, _ in table}):
            cells = [
                table[kind, true, said] for true in (True, False) for said in (("yes", "no")[:: 1 if true else -1])
            ]
            right = 100 * (cells[0] + cells[2]) / sum(cells)
            print(f"  {kind:10} " + " ".join(f"{cell:9}" for cell in cells) + f" {right:7.2f}%")
    return tables


def speed(num_images: int = 1000) -> float:
    """Pictures a second with all their questions, in processor time of one core."""
    verifier, work = build(Arguments()), []
    for number in range(num_images):
        scene, random = training_scene(78, number)[1], Random(number)
        image = Image.fromarray(render(scene))
        texts = [text for text, _ in questions(scene, random)] + [question.text for question in QUALITY]
        work.append([Query((image,), text) for text in texts])
    start = time.process_time()
    for queries in work:
        verifier.ask(queries)
    return num_images / (time.process_time() - start)


def drawing_speed(num_scenes: int = 5000) -> float:
    """Training scenes drawn a second once every mask is known, placement included, in processor time of one core."""
    for number in range(num_scenes):
        render(training_scene(80, number)[1])
    start = time.process_time()
    for number in range(num_scenes):
        render(training_scene(79, number)[1])
    return num_scenes / (time.process_time() - start)


def main() -> None:
    """Prints accuracy and both speeds."""
    accuracy()
    print(f"\n{speed():.0f} pictures a second judged with all their questions, one core")
    print(f"{drawing_speed():.0f} training scenes a second placed and drawn, one core")


if __name__ == "__main__":
    main()
