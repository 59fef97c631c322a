"""Conversations of a unified model about its own pictures: walked from their beginning, in chunks of one shape.

The order is that of refinement in training: system prompt; picture, request to reflect, reflection; and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.bagel.chunk import chunks, padded
from harness.bagel.guidance import Guidance
from harness.bagel.prompts import Prompts
from harness.bagel.schedule import sigma_grid
from harness.bagel.walk import Walk, drew_image, given_image, given_text, wrote_text
from harness.bagel.write import write
from harness.refinement import Conversation, Redrawn, Reflection

if TYPE_CHECKING:
    from harness.bagel.unified import Thinking, Unified


def reflect(
    unified: Unified, how: Thinking, conversations: Sequence[Conversation], seeds: Sequence[int]
) -> list[Reflection]:
    """What is written about each last picture."""
    found: dict[int, Reflection] = {}
    for wanted, full in chunks(shapes(unified, how.prompts, conversations), unified.drawing.rows):
        some = [conversations[one] for one in full]
        walk = converse(unified, how, some)
        written = write(unified.bagel, walk.main, how.sampling, [seeds[one] for one in full], steady=True)
        for place, conversation, one in zip(wanted, some, written, strict=False):
            text = unified.coder.decode(one.ids)
            forwards = reads(conversation) + len(one.log_probs)
            found[place] = Reflection(text, one.ids, says(text, how.prompts.satisfied), forwards)
    return [found[place] for place in range(len(conversations))]


def says(text: str, wanted: str) -> bool:
    """Whether a text holds these words, however they are capitalised and whatever mark ends them."""
    return wanted.rstrip(".").lower() in text.lower()


def redraw(
    unified: Unified, how: Thinking, conversations: Sequence[Conversation], seeds: Sequence[int]
) -> list[Redrawn]:
    """The picture after each last reflection."""
    found: dict[int, Redrawn] = {}
    guidance = unified.guidance(has_image=True)
    for wanted, full in chunks(shapes(unified, how.prompts, conversations), unified.drawing.rows):
        some = [conversations[one] for one in full]
        size = unified.size(some[0].rounds[-1].picture)
        pictures = unified.draw(converse(unified, how, some), [seeds[one] for one in full], guidance, size)
        for place, conversation, picture in zip(wanted, some, pictures, strict=False):
            found[place] = Redrawn(picture, reads(conversation) + drawing_forwards(unified, guidance))
    return [found[place] for place in range(len(conversations))]


def shapes(unified: Unified, prompts: Prompts, conversations: Sequence[Conversation]) -> list[tuple[object, ...]]:
    """Which conversations are walked together: sizes of pictures, padded length of what is asked, whether answered."""
    return [
        (
            *(unified.size(each.picture) for each in one.rounds),
            padded(len(unified.coder.encode(asked(prompts, one)))),
            bool(one.rounds[-1].words),
        )
        for one in conversations
    ]


def asked(prompts: Prompts, conversation: Conversation) -> str:
    """The request to reflect."""
    template: str = getattr(prompts, conversation.template)
    return template.replace("{prompt}", conversation.prompt)


def converse(unified: Unified, how: Thinking, conversations: Sequence[Conversation]) -> Walk:
    """The walk after conversations of one shape, one a row (method.md 2.2)."""
    bagel, coder = unified.bagel, unified.coder
    walk = Walk.begin(len(conversations), bagel.device)
    walk = given_text(bagel, walk, [coder.encode(how.prompts.think)] * len(conversations))
    requests = [coder.encode(asked(how.prompts, one)) for one in conversations]
    length = padded(max(map(len, requests)))
    for number, column in enumerate(zip(*(one.rounds for one in conversations), strict=True)):
        views = [unified.view(one.picture) for one in column]
        walk = drew_image(bagel, walk, views, last=False) if number else given_image(bagel, walk, views)
        walk = given_text(bagel, walk, requests, length)
        if column[0].words:
            words = [one.words for one in column]
            walk = wrote_text(bagel, walk, words, private=True, last=False, length=how.sampling.longest)
    return walk


def reads(conversation: Conversation) -> int:
    """Forward passes that reading a conversation takes: the latents and the patches of a picture are one each, and
    a request to reflect is read with the pictures and, for guidance, without them."""
    return 1 + 4 * len(conversation.rounds) + sum(bool(one.words) for one in conversation.rounds)


def drawing_forwards(unified: Unified, guidance: Guidance) -> int:
    """Forward passes of one drawing, each branch of guidance counted as one."""
    sigmas = sigma_grid(unified.drawing.points, unified.drawing.shift).tolist()[:-1]
    further = (guidance.text > 1.0) + (guidance.image > 1.0)
    return len(sigmas) + further * sum(guidance.applies(sigma) for sigma in sigmas)
