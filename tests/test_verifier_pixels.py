"""The pixel verifier: right on scenes, graded, and silent where it does not know."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from benchmarks.pixels import CORRUPTIONS, confusion, share_right
from reward.picture import levels_of, measure
from reward.question_reader import read_question
from reward.verifier import Query, Reply
from reward.verifier_pixels import Arguments, build
from tasks.composition import QUALITY
from tasks.scene import COLOURS, SHAPES, Scene, Thing, render
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load, scene_for, training_scene

VERIFIER = build(Arguments())
CLEAN, FLAT, PLAIN = (question.text for question in QUALITY)


def ask(image: Image.Image, text: str) -> Reply:
    return VERIFIER.ask([Query((image,), text)])[0]


def yes(image: Image.Image, text: str) -> float:
    return ask(image, text).probabilities["yes"]


def picture(*things: Thing, ground: int = 208) -> Image.Image:
    return Image.fromarray(render(Scene(ground, things)))


def repainted(image: Image.Image, rows: slice, columns: slice, colour: tuple[int, int, int]) -> Image.Image:
    levels = np.asarray(image).copy()
    levels[rows, columns] = colour
    return Image.fromarray(levels)


RED_STAR = Thing("star", "red", 26, 40, 40)
BLUE_HEART = Thing("heart", "blue", 24, 92, 96)
TWO = picture(RED_STAR, BLUE_HEART)
CIRCLES = picture(
    Thing("circle", "red", 20, 30, 30), Thing("circle", "red", 20, 90, 30), Thing("circle", "blue", 20, 60, 90)
)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_at_least_99_of_100_questions_of_every_kind_are_right(name: str) -> None:
    table = confusion(200, CORRUPTIONS[name])
    kinds = {kind for kind, _, _ in table}
    assert kinds == {"exists", "coloured", "count", "related", "clean", "flat", "plain"}
    for kind in kinds:
        own = type(table)({key: count for key, count in table.items() if key[0] == kind})
        assert share_right(own) >= 0.98, kind
    assert share_right(table) >= 0.99


def test_a_correct_scene_for_every_fifth_evaluation_sample_answers_all_its_questions_with_a_sure_yes() -> None:
    for sample in load(ScenesArguments()).samples[::5]:
        image = Image.fromarray(render(scene_for(sample, 0)))
        replies = VERIFIER.ask([Query((image,), question.text) for question in sample.questions])
        assert min(reply.probabilities["yes"] for reply in replies) >= 0.9, sample.request.prompt


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("Is there a star?", True),
        ("Is there a red star in the image?", True),
        ("is there a blue star", False),
        ("Is the star red?", True),
        ("Is the color of the star red?", True),
        ("Is the heart red?", False),
        ("Is there a red object?", True),
        ("Are there exactly two objects?", True),
        ("Are there exactly 2 shapes in the picture?", True),
        ("Are there exactly two stars?", False),
        ("Is there only one star?", True),
        ("Is there exactly one blue heart?", True),
        ("Is the number of objects two?", True),
        ("Does the image contain exactly three objects?", False),
        ("Are there no circles?", True),
        ("Is the star to the left of the heart?", True),
        ("Is the red star above the blue heart?", True),
        ("Is there a red star to the left of a blue heart?", True),
        ("Is the blue star to the left of the heart?", False),
        ("Is the heart left of the star?", False),
        ("Is the heart on the right side of the star?", True),
        ("Does the heart appear below the star?", True),
        ("Are there any circles?", False),
        ("Does the picture show a heart?", True),
        ("Can you see a ring?", False),
        ("In this image, is there a heart?", True),
        ("Do all objects have clean and complete shapes?", True),
        ("Is each object a single flat color?", True),
        ("Is the background a single plain colour?", True),
    ],
)
def test_questions_are_understood_in_words(text: str, true: bool) -> None:
    reply = ask(TWO, text)
    assert reply.text == ("yes" if true else "no")
    assert (reply.probabilities["yes"] >= 0.8) if true else (reply.probabilities["yes"] <= 0.2)
    assert sum(reply.probabilities.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("Are there exactly two red circles?", True),
        ("Are there exactly three red circles?", False),
        ("Are there exactly three circles?", True),
        ("Are all circles red?", False),
        ("Are the circles red?", False),
        ("Is there a circle that is blue?", True),
        ("Is there a blue circle below a red circle?", True),
    ],
)
def test_colours_qualify_what_is_counted_and_related(text: str, true: bool) -> None:
    assert ask(CIRCLES, text).text == ("yes" if true else "no")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "What is this?",
        "Is the dog happy?",
        "Is there a star or a heart?",
        "Is there a star and a heart?",
        "Is there a large star?",
        "Is the star not red?",
        "Are there exactly two red or blue circles?",
    ],
)
def test_a_question_it_cannot_read_is_unanswered_and_not_a_no(text: str) -> None:
    reply = ask(TWO, text)
    assert reply.status == "parse_error"
    assert "cannot read" in reply.error
    assert not reply.probabilities


def test_a_question_about_two_pictures_is_unanswered() -> None:
    assert VERIFIER.ask([Query((TWO, TWO), "Is there a star?")])[0].status == "parse_error"


@pytest.mark.parametrize("colour", [colour for colour in COLOURS if colour != "red"])
def test_the_probability_of_a_colour_falls_as_the_colour_moves_away(colour: str) -> None:
    red, other = np.array(COLOURS["red"]), np.array(COLOURS[colour])
    levels = render(Scene(208, (Thing("square", "red", 32, 64, 64),)))
    inside = (levels == red).all(-1)
    chances = []
    for part in np.linspace(0.0, 1.0, 9):
        moved = levels.copy()
        moved[inside] = (red + part * (other - red)).astype(np.uint8)
        chances.append(yes(Image.fromarray(moved), "Is the square red?"))
    assert chances[0] > 0.95
    assert chances[-1] < 0.05
    assert all(before >= after - 0.02 for before, after in pairwise(chances))


def test_the_quality_of_shapes_falls_steadily_as_a_picture_blurs() -> None:
    chances = [yes(TWO.filter(ImageFilter.GaussianBlur(radius / 5)), CLEAN) for radius in range(8)]
    assert chances[0] > 0.99
    assert chances[-1] < 0.3
    assert chances == sorted(chances, reverse=True)
    assert sum(0.1 < chance < 0.98 for chance in chances) >= 3


def test_a_picture_without_things_satisfies_no_question_about_things() -> None:
    empty = Image.new("RGB", (32, 32), (208, 208, 208))
    for shape in SHAPES:
        assert yes(empty, f"Is there a {shape}?") == 0.0
    assert yes(empty, CLEAN) == yes(empty, FLAT) == 0.0
    assert yes(empty, PLAIN) > 0.99


def test_debris_counts_as_an_object_by_its_size() -> None:
    star = picture(RED_STAR)
    chances = [
        yes(
            repainted(star, slice(24, 24 + high), slice(22, 22 + wide), COLOURS["black"]),
            "Is there exactly one object?",
        )
        for high, wide in ((0, 0), (1, 2), (2, 2), (2, 3), (3, 3), (4, 4))
    ]
    assert chances == sorted(chances, reverse=True)
    assert chances[1] > 0.9
    assert chances[-1] < 0.1


def test_touching_objects_of_different_colours_are_two() -> None:
    touching = picture(Thing("square", "red", 20, 40, 64), Thing("square", "blue", 20, 74, 64))
    assert ask(touching, "Are there exactly two squares?").text == "yes"
    assert ask(touching, "Is the red square to the left of the blue square?").text == "yes"


def test_one_shape_in_two_colours_is_one_object_that_is_not_flat() -> None:
    halves = np.asarray(picture(Thing("circle", "red", 28, 64, 64))).copy()
    halves[:, 16:] = np.asarray(picture(Thing("circle", "green", 28, 64, 64)))[:, 16:]
    image = Image.fromarray(halves)
    assert ask(image, "Is there exactly one object?").text == "yes"
    assert ask(image, CLEAN).text == "yes"
    assert ask(image, FLAT).text == "no"


def test_a_restless_ground_is_seen() -> None:
    random = np.random.default_rng(0)
    noisy = np.clip(np.asarray(picture(RED_STAR)) + random.normal(0, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
    assert ask(Image.fromarray(noisy), PLAIN).text == "no"


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_a_larger_picture_gives_the_same_answers(size: int) -> None:
    large = TWO.resize((size, size), Image.Resampling.NEAREST)
    for text in ("Is there a red star?", "Is the star above the heart?", "Are there exactly two objects?", CLEAN):
        assert yes(TWO, text) == yes(large, text)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (500, 3), (3000, 2000)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I", "F", "YCbCr"])
def test_odd_pictures_are_answered_without_a_crash(mode: str, size: tuple[int, int]) -> None:
    reply = ask(Image.new(mode, size), "Are there exactly two objects?")
    assert reply.status == "ok"
    assert reply.text == "no"


def test_a_transparent_ground_is_plain() -> None:
    clear = Image.new("RGBA", (32, 32))
    clear.paste((220, 30, 30, 255), (8, 8, 20, 20))
    assert ask(clear, "Is there a red square?").text == "yes"
    assert ask(clear, PLAIN).text == "yes"


def test_a_picture_that_cannot_be_read_is_missing_and_not_a_no() -> None:
    buffer = io.BytesIO()
    TWO.resize((256, 256)).save(buffer, "PNG")
    cut_short = Image.open(io.BytesIO(buffer.getvalue()[:200]))
    for image in (cut_short, Image.new("RGB", (0, 5))):
        replies = VERIFIER.ask([Query((image,), "Is there a star?"), Query((TWO,), "Is there a star?")])
        assert [reply.status for reply in replies] == ["missing_image", "ok"]
        assert "cannot read the picture" in replies[0].error


@given(st.integers(0, 2**32), st.integers(1, 32), st.integers(2, 255))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_noise_is_measured_without_a_warning(seed: int, block: int, height: int) -> None:
    small = np.random.default_rng(seed).integers(0, height, (block, block, 3)).astype(np.uint8)
    found = measure(levels_of(Image.fromarray(small).resize((32, 32), Image.Resampling.NEAREST)))
    for thing in found.things:
        assert np.isfinite([thing.x, thing.y, thing.width, thing.height, thing.area, thing.spread]).all()
        assert (thing.errors >= -1e-6).all()
        assert ((thing.likeness >= 0) & (thing.likeness <= 1 + 1e-6)).all()
    image = Image.fromarray(small).resize((32, 32), Image.Resampling.NEAREST)
    for text in ("Are there exactly two objects?", "Is the red star above the ring?", CLEAN, FLAT, PLAIN):
        assert 0.0 <= yes(image, text) <= 1.0


def test_the_questions_of_both_splits_are_all_readable() -> None:
    for split in ("evaluation", "train"):
        for sample in load(ScenesArguments(split=split, count=300)).samples:
            assert all(read_question(question.text) for question in sample.questions)


def test_the_identity_names_a_revision_of_the_rules() -> None:
    assert VERIFIER.id == f"pixels@{VERIFIER.record['revision']}"
    assert VERIFIER.record["mode"] == "rule"
    assert build(Arguments()).id == VERIFIER.id


def test_a_picture_is_judged_the_same_alone_and_among_others() -> None:
    pictures = [Image.fromarray(render(training_scene(5, number)[1])) for number in range(6)]
    queries = [Query((one,), "Is there a circle?") for one in pictures]
    together = VERIFIER.ask(queries)
    assert [reply.probabilities for reply in together] == [VERIFIER.ask([one])[0].probabilities for one in queries]
