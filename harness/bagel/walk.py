"""The three contexts of guidance along a conversation: what each step adds to each (method.md 2.2).

| step | main | text_free | image_free |
|---|---|---|---|
| given text | + text | main as it was before | + text |
| given image | + image | main as it is after | unchanged |
| wrote text, private | + text | unchanged | unchanged |
| wrote text, not private | + text | + text unless last | + text unless last |
| drew image | + image unless last | main as it is after, unless last | unchanged |

Evaluation, rollout and replay walk through these functions alone. One text or picture a row; a walk of fewer rows is
shared by consecutive rows. Texts are token ids from the begin to the end mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.bagel.context import Context
from harness.bagel.model import Bagel
from harness.bagel.view import View, read_views

Texts = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Walk:
    """What the model has read so far, in the three contexts; steps make new walks."""

    main: Context
    text_free: Context
    image_free: Context

    @classmethod
    def begin(cls, rows: int, device: torch.device | str = "cpu") -> Walk:
        """Nothing read yet."""
        nothing = Context.empty(rows, device)
        return cls(nothing, nothing, nothing)


def given_text(bagel: Bagel, walk: Walk, texts: Texts, length: int = 0) -> Walk:
    """After a text of somebody else's, padded to `length` or the longest."""
    main, _ = bagel.read_text(walk.main, texts, length)
    same = walk.image_free is walk.main  # no image so far: one reading serves both
    return Walk(main, walk.main, main if same else bagel.read_text(walk.image_free, texts, length)[0])


def given_image(bagel: Bagel, walk: Walk, views: Sequence[View]) -> Walk:
    """After a picture of somebody else's."""
    main = read_views(bagel, walk.main, views)
    return Walk(main, main, walk.image_free)


def wrote_text(bagel: Bagel, walk: Walk, texts: Texts, private: bool, last: bool, length: int = 0) -> Walk:
    """After a text of the model's own; `private` for plans and reflections."""
    return wrote_words(bagel, walk, texts, private, last, length)[0]


def wrote_words(
    bagel: Bagel, walk: Walk, texts: Texts, private: bool, last: bool, length: int = 0
) -> tuple[Walk, Tensor, Tensor]:
    """As `wrote_text`; also gives every token's hidden state (B, U, H) in main and which are real (B, U)."""
    main, hidden, valid = bagel.read_words(walk.main, texts, length)
    if private or last:
        return replace(walk, main=main), hidden, valid
    text_free, image_free = (
        main if context is walk.main else bagel.read_text(context, texts, length)[0]
        for context in (walk.text_free, walk.image_free)
    )
    return Walk(main, text_free, image_free), hidden, valid


def drew_image(bagel: Bagel, walk: Walk, views: Sequence[View], last: bool) -> Walk:
    """After a picture of the model's own; the last one is read by nobody."""
    return walk if last else given_image(bagel, walk, views)
