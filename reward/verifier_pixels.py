"""pixels: answers questions about scenes from the pixels alone, with a graded probability of yes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.special import expit

from reward.belief import Belief, judge
from reward.likeness import Floats
from reward.picture import levels_of, measure
from reward.question_reader import Asked, read_question
from reward.verifier import Query, Reply
from tasks.scene import COLOURS, RELATIONS, SHAPES

SOURCES = (
    "reward/verifier_pixels.py",
    "reward/belief.py",
    "reward/picture.py",
    "reward/likeness.py",
    "reward/question_reader.py",
    "tasks/composition.py",
    "tasks/scene.py",
)
"""All that an answer depends on; the verifier's id is their hash."""
NAMES = tuple(COLOURS)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The pixel verifier has no arguments."""


def matching(belief: Belief, shape: str | None, colour: str | None) -> Floats:
    """(T,) probability that each thing is an object of this shape and colour; None means any."""
    chances = belief.counts
    if shape is not None:
        chances = chances * belief.shapes[:, SHAPES.index(shape)]
    if colour is not None:
        chances = chances * belief.colours[:, NAMES.index(colour)]
    return chances


def exists(belief: Belief, asked: Asked) -> float:
    """The likeliest thing is as asked."""
    return float(matching(belief, asked.shape, asked.colour).max(initial=0.0))


def all_coloured(belief: Belief, asked: Asked) -> float:
    """There is such a thing, and none of another colour."""
    alike, right = matching(belief, asked.shape, None), matching(belief, asked.shape, asked.colour)
    return float(alike.max(initial=0.0) * (1.0 - alike + right).min(initial=1.0))


def count(belief: Belief, asked: Asked) -> float:
    """Exactly so many things are as asked: the Poisson-binomial probability of that number."""
    chances = np.array([1.0])
    for one in matching(belief, asked.shape, asked.colour):
        chances = np.convolve(chances, (1.0 - one, one))
    return float(chances[asked.number]) if asked.number < len(chances) else 0.0


def related(belief: Belief, asked: Asked) -> float:
    """Some thing stands so to another by GenEval's rule, each distance lessened by a tenth of both sizes."""
    first, second = matching(belief, asked.shape, asked.colour), matching(belief, asked.other, asked.other_colour)
    if len(first) < 2:
        return 0.0
    middle, size = belief.boxes[:, :2], belief.boxes[:, 2:]
    offset = middle[:, None] - middle[None, :]
    ahead = (offset - np.sign(offset) * np.minimum(0.1 * (size[:, None] + size[None, :]), np.abs(offset))) @ np.array(
        RELATIONS[asked.relation]
    )
    stands = expit((ahead - 0.5 * np.sqrt((offset**2).sum(-1))) / 0.6)
    both = first[:, None] * second[None, :] * stands
    np.fill_diagonal(both, 0.0)
    return float(both.max())


def clean(belief: Belief, asked: Asked) -> float:  # noqa: ARG001 - one signature for all kinds
    """Every object is clearly one of the shapes; an empty picture shows none."""
    return _every(belief.counts, belief.clean)


def flat(belief: Belief, asked: Asked) -> float:  # noqa: ARG001 - one signature for all kinds
    """The inner pixels of every object agree; an empty picture shows none."""
    return _every(belief.counts, belief.flat)


def plain(belief: Belief, asked: Asked) -> float:  # noqa: ARG001 - one signature for all kinds
    """The ground's pixels agree."""
    return belief.plain


def _every(counts: Floats, good: Floats) -> float:
    """There is an object, and the worst one is good."""
    return float(counts.max(initial=0.0) * (1.0 - counts * (1.0 - good)).min(initial=1.0))


ANSWERS: Mapping[str, Callable[[Belief, Asked], float]] = {
    "exists": exists,
    "coloured": exists,
    "all_coloured": all_coloured,
    "count": count,
    "related": related,
    "clean": clean,
    "flat": flat,
    "plain": plain,
}
"""How each kind of question is answered; "is the star red" asks whether there is a red star."""


class PixelVerifier:
    """A rule verifier: the same picture and question always give the same answer."""

    def __init__(self) -> None:
        root = Path(__file__).parent.parent
        revision = hashlib.sha256(b"".join((root / source).read_bytes() for source in SOURCES)).hexdigest()[:12]
        self.id = f"pixels@{revision}"
        self.record: Mapping[str, Any] = {"name": "pixels", "requested": "pixels", "revision": revision, "mode": "rule"}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query; each picture is measured once, and a question not about scenes stays unanswered."""
        judged: dict[int, Belief | str] = {}
        return [self._timed(query, judged) for query in queries]

    def _timed(self, query: Query, judged: dict[int, Belief | str]) -> Reply:
        start = time.perf_counter()
        reply = self._answer(query, judged)
        return replace(reply, seconds=time.perf_counter() - start)

    def _answer(self, query: Query, judged: dict[int, Belief | str]) -> Reply:
        if len(query.images) != 1:
            message = f"pixels looks at one picture, not {len(query.images)}"
            return Reply("parse_error", error=message, served=self.id)
        asked = read_question(query.text)
        if asked is None:
            return Reply("parse_error", error=f"pixels cannot read the question {query.text!r}", served=self.id)
        image = query.images[0]
        if id(image) not in judged:
            judged[id(image)] = _look(image)
        belief = judged[id(image)]
        if isinstance(belief, str):
            return Reply("missing_image", error=belief, served=self.id)
        yes = min(max(ANSWERS[asked.kind](belief, asked), 0.0), 1.0)
        return Reply("ok", "yes" if yes >= 0.5 else "no", {"yes": yes, "no": 1.0 - yes}, served=self.id)


def _look(image: Image.Image) -> Belief | str:
    """What is believed of a picture, or why it cannot be read."""
    try:
        levels = levels_of(image)
    except (OSError, ValueError) as error:  # a file cut short, a mode without colours, no pixels at all
        return f"pixels cannot read the picture: {error}"
    return judge(measure(levels))


def build(arguments: Arguments) -> PixelVerifier:  # noqa: ARG001 - the registry's signature
    """The pixel verifier."""
    return PixelVerifier()
