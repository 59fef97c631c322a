"""The unified model's conversations about its own pictures: contexts of training, to the bit for any neighbours."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
import torch
from PIL import Image

from harness.bagel.context import Context
from harness.bagel.prompts import Prompts
from harness.bagel.reflection import converse, reads
from harness.bagel.unified import Thinking, Unified
from harness.bagel.view import read_views
from harness.bagel.walk import Walk, drew_image, given_text, wrote_text
from harness.bagel.write import Sampling, write
from harness.model import Setting
from harness.model_tiny import SHIPPED, Arguments, build
from harness.refinement import Conversation, Round
from tasks.sample import Request
from tasks.scene import render
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load, scene_for
from trainer.plan import Group
from trainer.replay import read_given
from trainer.script import script_for
from trainer.trajectory import Situation

SAMPLES = load(ScenesArguments()).samples
PROMPTS = Prompts.read(SHIPPED / "prompts.json")


@pytest.fixture(scope="module")
def unified() -> Unified:
    torch.set_num_threads(1)
    return build(Arguments(points=4, image_guidance=1.5), Setting())


def picture(place: int) -> Image.Image:
    return Image.fromarray(render(scene_for(SAMPLES[place], place)))


def words(unified: Unified, text: str) -> tuple[int, ...]:
    return tuple(unified.coder.encode(text))


def conversations(count: int) -> list[Conversation]:
    return [Conversation(SAMPLES[one].request.prompt, "open", (Round(picture(one)),)) for one in range(count)]


def answered(unified: Unified, conversation: Conversation, place: int) -> Conversation:
    said = words(
        unified, "<think> it matches . </think>" if place % 2 else "<think> wrong . remove the star . </think>"
    )
    return replace(conversation, rounds=(replace(conversation.rounds[0], words=said),))


def test_a_reflection_depends_on_its_own_conversation_and_seed_alone(unified: Unified) -> None:
    many, seeds, rows = conversations(6), list(range(20, 26)), set[int]()
    body = unified.bagel.language_model.model
    handle = body.register_forward_hook(lambda _, given, __: rows.add(len(given[0].positions)))
    together = unified.reflect(many, seeds)
    handle.remove()
    assert rows == {unified.drawing.rows}, "every chunk keeps its shape to the end"
    for place in (0, 5):
        assert unified.reflect([many[place]], [seeds[place]])[0].words == together[place].words
    assert unified.reflect(many[::-1], seeds[::-1]) == together[::-1]
    assert len({one.text for one in together}) > 1


def test_a_picture_drawn_again_depends_on_its_own_conversation_and_seed_alone(unified: Unified) -> None:
    many = [answered(unified, one, place) for place, one in enumerate(conversations(6))]
    together = [one.picture.tobytes() for one in unified.redraw(many, list(range(6)))]
    for place in (0, 5):
        assert unified.redraw([many[place]], [place])[0].picture.tobytes() == together[place]
    assert unified.redraw(many[:1], [9])[0].picture.tobytes() != together[0]


def test_a_plan_that_has_to_be_cut_off_changes_no_picture_beside_it() -> None:
    thinker = build(Arguments(points=3, reason=True, longest=5), Setting())
    requests = [Request(prompt) for prompt in ("a red star", "a red star and a blue circle", "two hearts")]
    together = thinker.generate(requests, [1, 2, 3])
    alone = [thinker.generate([one], [seed])[0] for one, seed in zip(requests, (1, 2, 3), strict=True)]
    assert [one.thought for one in together] == [one.thought for one in alone]
    assert [one.image.tobytes() for one in together] == [one.image.tobytes() for one in alone]
    assert {one.thought.endswith("</think>") for one in together} == {True, False}, "one is cut off and one is not"


@torch.inference_mode()
def test_evaluation_walks_a_conversation_as_training_does(unified: Unified) -> None:
    bagel, prompt, said = unified.bagel, SAMPLES[0].request.prompt, words(unified, "<think> wrong . </think>")
    again = words(unified, "<think> it matches . </think>")
    rounds = (Round(picture(0), said), Round(picture(1), again))
    how = Thinking(PROMPTS, Sampling(most=12))
    walked = converse(unified, how, [Conversation(prompt, "open", rounds)])

    script = script_for(unified, PROMPTS, think=True, reflection="open")
    situation = Situation(Group(0, 0, 0, 0, SAMPLES[0].id), SAMPLES[0], Request(prompt, (picture(0),)), refine=True)
    walk = Walk.begin(1)
    for step in script.opening(situation):
        walk = read_given(bagel, walk, [step])
    walk = wrote_text(bagel, walk, [said], private=True, last=False)
    walk = drew_image(bagel, walk, [script.see(picture(1))], last=False)
    walk = read_given(bagel, walk, script.again(picture(1), prompt)[1:])
    walk = wrote_text(bagel, walk, [again], private=True, last=False)
    for name in ("main", "text_free", "image_free"):
        ours, theirs = getattr(walked, name), getattr(walk, name)
        assert int(ours.position[0]) == int(theirs.position[0])
        found, wanted = (bagel.read_text(one, [[1]])[1] for one in (ours, theirs))
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_the_forward_passes_told_are_those_made(unified: Unified) -> None:
    passes = 0

    def count(_: torch.nn.Module, given: tuple[object, list[object]], __: object) -> None:
        nonlocal passes
        passes += len(given[1])

    conversation = conversations(1)[0]
    handle = unified.bagel.language_model.model.register_forward_hook(count)
    try:
        said = unified.reflect([conversation], [3])[0]
        assert passes == said.forwards
        assert reads(conversation) < said.forwards
        passes = 0
        heard = replace(conversation, rounds=(replace(conversation.rounds[0], words=said.words),))
        assert unified.redraw([heard], [3])[0].forwards == passes
    finally:
        handle.remove()


def test_image_guidance_is_applied_where_a_picture_is_refined_and_nowhere_else(unified: Unified) -> None:
    plain = replace(unified, drawing=replace(unified.drawing, editing=None))
    heard = [answered(unified, conversations(1)[0], 0)]
    one, other = (model.redraw(heard, [5])[0] for model in (unified, plain))
    assert one.picture.tobytes() != other.picture.tobytes()
    assert one.forwards == other.forwards + 3
    request = [Request("a red star")]
    assert unified.generate(request, [1])[0].image.tobytes() == plain.generate(request, [1])[0].image.tobytes()


def test_weights_without_eyes_or_prompts_cannot_reflect(unified: Unified) -> None:
    with pytest.raises(ValueError, match="no prompts for that"):
        replace(unified, reflecting=None).template_digest("open")
    assert unified.template_digest("open") != unified.template_digest("assert_failure")


def context_of(unified: Unified, *steps: str | tuple[int, ...] | Image.Image) -> Context:
    """Texts, ids and pictures read one after the other, without a walk."""
    context = Context.empty(1)
    for step in steps:
        if isinstance(step, Image.Image):
            context = read_views(unified.bagel, context, [unified.view(step)])
        else:
            ids = unified.coder.encode(step) if isinstance(step, str) else step
            context, _ = unified.bagel.read_text(context, [ids])
    return context


def apart(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, in levels of 255."""
    return fmean(abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True))


@torch.inference_mode()
@pytest.mark.parametrize("case", ["edit", "plan", "again"])
def test_pictures_are_drawn_from_the_contexts_of_the_table(unified: Unified, case: str) -> None:
    prompt, seed = SAMPLES[3].request.prompt, 7
    asked = PROMPTS.open.replace("{prompt}", prompt)
    said = words(unified, "<think> wrong . make the star red . </think>")
    if case == "edit":
        found = unified.generate([Request(prompt, (picture(1),))], [seed])[0].image
        contexts = (picture(1), prompt), (picture(1),), (prompt,)
    elif case == "plan":
        how = Thinking(PROMPTS, Sampling(0.0, most=32))
        response = replace(unified, thinking=how).generate([Request(prompt)], [seed])[0]
        found, plan = response.image, words(unified, response.thought)
        contexts = (PROMPTS.think, prompt, plan), (PROMPTS.think,), (PROMPTS.think, prompt)
    else:
        found = unified.redraw([Conversation(prompt, "open", (Round(picture(1), said),))], [seed])[0].picture
        contexts = (PROMPTS.think, picture(1), asked, said), (PROMPTS.think, picture(1)), (PROMPTS.think, asked)
    main, text_free, image_free = (context_of(unified, *steps) for steps in contexts)
    guidance, size = unified.guidance(has_image=case != "plan"), (32, 32)
    by_hand = unified.draw(Walk(main, text_free, image_free), [seed], guidance, size)[0]
    assert apart(found, by_hand) < 0.1
    for wrong in ((main, context_of(unified, prompt), image_free), (main, text_free, text_free)):
        other = unified.draw(Walk(*wrong), [seed], guidance, size)[0]
        image_matters = case != "plan" or wrong[2] is image_free
        assert (apart(found, other) > 0.3) == image_matters


@torch.inference_mode()
def test_steady_writing_keeps_its_shape_and_its_bits_beside_any_neighbours(unified: Unified) -> None:
    long, short = "a red star and a blue circle", "a red star"
    rows: list[int] = []

    def written(neighbour: str, steady: bool) -> tuple[float, ...]:
        walk = given_text(unified.bagel, Walk.begin(8), [unified.coder.encode(PROMPTS.think)] * 8)
        prompts = [unified.coder.encode(one) for one in (long, *[neighbour] * 7)]
        walk = given_text(unified.bagel, walk, prompts, 16)
        rows.clear()
        found = write(unified.bagel, walk.main, Sampling(1.5, most=24), list(range(8)), steady)
        return found[0].log_probs

    body = unified.bagel.language_model.model
    handle = body.register_forward_hook(lambda _, given, __: rows.append(len(given[0].positions)))
    try:
        alike = written(long, steady=True)
        assert written(short, steady=True) == alike
        assert set(rows) == {8}
        written(short, steady=False)
        assert min(rows) < 8, "rows that have ended leave where writing need not be steady"
    finally:
        handle.remove()
