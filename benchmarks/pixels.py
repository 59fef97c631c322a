"""How often the pixel verifier is right on rendered scenes, and how fast: `python -m benchmarks.pixels`."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from harness.known import questions
from harness.spoilt_scene import SPOILT, to_image
from reward.question_reader import read_question
from reward.verifier import Query
from reward.verifier_pixels import Arguments, build
from tasks.composition import QUALITY
from tasks.scene import Scene, render
from tasks.scenes import training_scene

Table = Counter[tuple[str, bool, str]]
"""How often each (kind of question, true answer, verifier's answer) occurs."""


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


def asked(
    scene: Scene, number: int, corrupt: Callable[[Image.Image, int], Image.Image]
) -> Iterator[tuple[Query, bool]]:
    """Every question about a scene, and about spoilt pictures of it, with its true answer."""
    random = Random(number)
    image = corrupt(Image.fromarray(render(scene)), number)
    yield from ((Query((image,), text), true) for _, text, true in questions(scene, random))
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
        texts = [text for _, text, _ in questions(scene, random)] + [question.text for question in QUALITY]
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
