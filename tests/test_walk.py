"""The contexts of guidance on the table of expected results, and that reading together changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from harness.bagel.config import BagelConfig, LanguageConfig, SpecialTokens
from harness.bagel.context import Context
from harness.bagel.model import Bagel
from harness.bagel.view import View, read_views
from harness.bagel.vit import VitConfig
from harness.bagel.walk import Walk, drew_image, given_image, given_text, wrote_text, wrote_words

LANGUAGE = LanguageConfig(40, 48, 64, 2, 4, 2)
CONFIG = BagelConfig(LANGUAGE, VitConfig(24, 48, 3, 3, 16, 4), None, 4, 4, 4)
Step = list[int] | View


def text(*words: int) -> list[int]:
    return [1, *words, 2]


def view(seed: int, rows: int = 2, columns: int = 3) -> View:
    random = torch.Generator().manual_seed(seed)
    latents = torch.randn(rows * columns, CONFIG.token_width, generator=random)
    return View(latents, (rows, columns), torch.randn(columns, 48, generator=random), (1, columns))


SYSTEM, PROMPT, PLAN = text(11, 12), text(13, 14, 15), text(16, 17)
REFLECT, FOUND = text(18, 19, 20), text(21)
REFLECT_AGAIN, FOUND_AGAIN = text(22, 23), text(24, 25, 26)
GIVEN, DRAWN = view(1), view(2, 3, 2)


@pytest.fixture(scope="module")
def bagel() -> Bagel:
    torch.manual_seed(0)
    return Bagel(CONFIG, SpecialTokens(1, 2, 3, 4)).eval()


def read(bagel: Bagel, *steps: Step) -> Context:
    """A context read step by step, without a walk."""
    context = Context.empty(1)
    for step in steps:
        context = read_views(bagel, context, [step]) if isinstance(step, View) else bagel.read_text(context, [step])[0]
    return context


def logits(bagel: Bagel, context: Context) -> torch.Tensor:
    """What the model would write next: it depends on all that the context holds, and on where it ends."""
    return bagel.read_text(context, [[1]] * context.rows)[1]


def check(
    bagel: Bagel, walk: Walk, main: Sequence[Step], text_free: Sequence[Step], image_free: Sequence[Step]
) -> None:
    for found, wanted in zip((walk.main, walk.text_free, walk.image_free), (main, text_free, image_free), strict=True):
        torch.testing.assert_close(logits(bagel, found), logits(bagel, read(bagel, *wanted)), rtol=0, atol=1e-5)


def refined_once(bagel: Bagel) -> Walk:
    walk = given_text(bagel, Walk.begin(1), [SYSTEM])
    walk = given_image(bagel, walk, [GIVEN])
    walk = given_text(bagel, walk, [REFLECT])
    return wrote_text(bagel, walk, [FOUND], private=True, last=False)


@torch.inference_mode()
def test_thinking_before_drawing_has_the_three_contexts_of_the_table(bagel: Bagel) -> None:
    walk = given_text(bagel, given_text(bagel, Walk.begin(1), [SYSTEM]), [PROMPT])
    walk = wrote_text(bagel, walk, [PLAN], private=True, last=False)
    check(bagel, walk, [SYSTEM, PROMPT, PLAN], [SYSTEM], [SYSTEM, PROMPT])


@torch.inference_mode()
def test_refining_has_the_three_contexts_of_the_table(bagel: Bagel) -> None:
    check(bagel, refined_once(bagel), [SYSTEM, GIVEN, REFLECT, FOUND], [SYSTEM, GIVEN], [SYSTEM, REFLECT])


@torch.inference_mode()
def test_the_second_round_of_refining_has_the_three_contexts_of_the_table(bagel: Bagel) -> None:
    walk = drew_image(bagel, refined_once(bagel), [DRAWN], last=False)
    walk = given_text(bagel, walk, [REFLECT_AGAIN])
    walk = wrote_text(bagel, walk, [FOUND_AGAIN], private=True, last=False)
    before = [SYSTEM, GIVEN, REFLECT, FOUND, DRAWN]
    check(bagel, walk, [*before, REFLECT_AGAIN, FOUND_AGAIN], before, [SYSTEM, REFLECT, REFLECT_AGAIN])


@torch.inference_mode()
def test_a_text_that_is_not_private_enters_all_contexts_unless_it_is_the_last(bagel: Bagel) -> None:
    walk = given_text(bagel, Walk.begin(1), [PROMPT])
    told = wrote_text(bagel, walk, [PLAN], private=False, last=False)
    check(bagel, told, [PROMPT, PLAN], [PLAN], [PROMPT, PLAN])
    ended = wrote_text(bagel, walk, [PLAN], private=False, last=True)
    check(bagel, ended, [PROMPT, PLAN], [], [PROMPT])


@torch.inference_mode()
def test_the_last_image_is_read_by_nobody(bagel: Bagel) -> None:
    walk = refined_once(bagel)
    assert drew_image(bagel, walk, [DRAWN], last=True) is walk


@torch.inference_mode()
def test_rows_of_different_lengths_and_sizes_walk_together_as_each_walks_alone(bagel: Bagel) -> None:
    texts, views = [REFLECT, REFLECT_AGAIN], [GIVEN, DRAWN]
    both = given_text(bagel, given_image(bagel, Walk.begin(2), views), texts)
    for row in (0, 1):
        alone = given_text(bagel, given_image(bagel, Walk.begin(1), views[row : row + 1]), texts[row : row + 1])
        for name in ("main", "text_free", "image_free"):
            together, single = logits(bagel, getattr(both, name))[row], logits(bagel, getattr(alone, name))[0]
            torch.testing.assert_close(together, single, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_shared_walk_reads_on_as_walks_of_their_own(bagel: Bagel) -> None:
    shared = given_text(bagel, Walk.begin(1), [PROMPT])
    own = given_text(bagel, Walk.begin(2), [PROMPT, PROMPT])
    texts = [PLAN, FOUND_AGAIN]
    group, single = (wrote_text(bagel, walk, texts, private=True, last=False) for walk in (shared, own))
    torch.testing.assert_close(logits(bagel, group.main), logits(bagel, single.main), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_a_picture_read_through_the_eyes_alone_is_another_context(bagel: Bagel) -> None:
    seen = View(None, GIVEN.latent_grid, GIVEN.patches, GIVEN.patch_grid)
    alone, both = (given_image(bagel, Walk.begin(1), [one]) for one in (seen, GIVEN))
    assert (logits(bagel, alone.main) - logits(bagel, both.main)).abs().max() > 1e-3
    assert int(alone.main.position[0]) == 1
    assert int(both.main.position[0]) == 2
    with pytest.raises(ValueError, match="the same forms"):
        given_image(bagel, Walk.begin(2), [seen, GIVEN])


def test_what_was_written_has_hidden_states_with_a_gradient(bagel: Bagel) -> None:
    walk = given_text(bagel, Walk.begin(1), [PROMPT])
    after, hidden, valid = wrote_words(bagel, walk, [PLAN, FOUND], private=True, last=True)
    assert hidden.shape == (2, 4, 48)
    assert valid.tolist() == [[True] * 4, [True] * 3 + [False]]
    assert hidden.requires_grad
    assert after.text_free is walk.text_free
