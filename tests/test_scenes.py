"""The embedded world: what is asked, what is held out, and that scenes are what their prompts say."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.composition import WORDINGS, Composition, questions_for
from tasks.sample import Sample
from tasks.scene import COLOURS, GAP, GROUND, QUARTERS, RELATIONS, SHAPES, SIDE, Scene, Thing, apart, related, render
from tasks.scenes import (
    TAGS,
    Arguments,
    held_out_pairs,
    load,
    prompts,
    scene_for,
    training_scene,
)

EVALUATION = load(Arguments())
GOLDEN = "25b2f2ad65ff111d"


def test_the_evaluation_split_is_what_version_1_always_was() -> None:
    text = "\n".join(f"{sample.id} {sample.request.prompt}" for sample in EVALUATION.samples)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == GOLDEN


def test_the_evaluation_split_has_52_distinct_prompts_for_each_of_six_tags() -> None:
    assert len({sample.request.prompt for sample in EVALUATION.samples}) == len(EVALUATION.samples) == 312
    assert Counter(sample.tags[0] for sample in EVALUATION.samples) == dict.fromkeys(TAGS, 52)
    assert [sample.id for sample in EVALUATION.samples[:2]] == ["scenes-0001", "scenes-0002"]


def test_the_first_prompts_cover_all_tags_equally() -> None:
    assert set(Counter(sample.tags[0] for sample in EVALUATION.samples[:24]).values()) == {4}


def test_no_evaluation_prompt_occurs_in_training() -> None:
    training = {prompt.text for every in prompts(evaluation=False).values() for prompt in every}
    assert not training & {sample.request.prompt for sample in EVALUATION.samples}


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag != "single_object"])
def test_compositions_are_held_out_whatever_their_wording(tag: str) -> None:
    def meaning(composition: Composition) -> tuple[object, ...]:
        things = composition.things if composition.relation else sorted(composition.things, key=str)
        return (composition.relation, *things)

    seen = {meaning(prompt.composition) for prompt in prompts(evaluation=False)[tag]}
    assert not seen & {meaning(prompt.composition) for prompt in prompts(evaluation=True)[tag]}


@pytest.mark.parametrize("tag", list(TAGS))
def test_training_shows_every_shape_and_every_word_of_each_tag(tag: str) -> None:
    text = " ".join(prompt.text for prompt in prompts(evaluation=False)[tag])
    words = [*SHAPES]
    words += list(COLOURS) if tag in ("colors", "color_attr") else []
    words += list(RELATIONS) if tag == "position" else []
    words += ["two", "three", "four"] if tag == "counting" else []
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag != "single_object"])
def test_about_a_fifth_of_the_compositions_is_held_out(tag: str) -> None:
    sides = [len({prompt.composition for prompt in prompts(evaluation)[tag]}) for evaluation in (True, False)]
    assert 0.15 <= sides[0] / sum(sides) <= 0.25


def test_a_colour_binding_joins_only_colours_and_shapes_that_training_shows() -> None:
    for sample in EVALUATION.samples:
        things = {(shape, colour) for shape, colour in sample.reference["things"]}
        assert sample.tags[0] == "colors" or not things & held_out_pairs()
        assert sample.tags[0] != "colors" or things <= held_out_pairs()


@given(st.integers(0, 2**40))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_training_scenes_lie_wholly_inside_and_apart_and_never_show_a_held_out_pair(number: int) -> None:
    _, scene, _ = training_scene(3, number)
    for thing in scene.things:
        assert (thing.shape, thing.colour) not in held_out_pairs()
        assert min(thing.x, thing.y) >= thing.radius
        assert max(thing.x, thing.y) <= SIDE * QUARTERS - thing.radius
    assert all(apart(one, other) for one, other in combinations(scene.things, 2))


@given(*[st.tuples(st.sampled_from(SHAPES), st.integers(17, 26), st.integers(0, 48), st.integers(0, 48))] * 2)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_things_apart_share_no_pixel(one: tuple[str, int, int, int], other: tuple[str, int, int, int]) -> None:
    things = [Thing(shape, "black", radius, 40 + x, 40 + y) for shape, radius, x, y in (one, other)]
    if apart(*things):
        alone = [GROUND - render(Scene(GROUND, (thing,))).astype(int) for thing in things]
        assert not (np.minimum(*alone) > 0).any()


def test_corners_are_not_forgotten_when_squares_are_kept_apart() -> None:
    square = Thing("square", "red", 24, 50, 50)
    assert not apart(square, Thing("square", "red", 24, 87, 87))
    assert apart(square, Thing("square", "red", 24, 50, 50 + 41 + GAP))


def test_a_training_scene_depends_on_its_numbers_alone() -> None:
    random.seed(1)
    first = [training_scene(1, number) for number in (5, 6)]
    random.seed(2)
    assert [training_scene(1, number) for number in (5, 6)] == first
    assert training_scene(1, 5) != training_scene(2, 5)
    assert first[0][0] == "draw a heart above a ring"


@pytest.mark.parametrize("sample", EVALUATION.samples[::11], ids=lambda sample: sample.id)
def test_a_scene_for_a_sample_holds_what_the_prompt_asks(sample: Sample) -> None:
    things = tuple((shape, colour) for shape, colour in sample.reference["things"])
    composition = Composition(sample.tags[0], things, sample.reference["relation"])
    assert any(wording.format(composition.phrase) == sample.request.prompt for wording in WORDINGS)
    scene = scene_for(sample, 1)
    assert scene == scene_for(sample, 1) != scene_for(sample, 2)
    assert [thing.shape for thing in scene.things] == [shape for shape, _ in things]
    assert all(colour in (None, thing.colour) for thing, (_, colour) in zip(scene.things, things, strict=True))
    if composition.relation:
        assert related(scene.things[0], scene.things[1], composition.relation)


def test_relations_hold_by_the_rule_of_geneval_and_no_other_does() -> None:
    relations = [sample for sample in EVALUATION.samples if sample.reference["relation"]]
    for number, sample in enumerate(relations * 4):
        one, other = scene_for(sample, number).things
        offset = np.array([one.x - other.x, one.y - other.y], dtype=float)
        left = np.maximum(np.abs(offset) - 0.1 * 2 * (one.radius + other.radius), 0) * np.sign(offset)
        ahead = {name: left @ direction / np.hypot(*offset) for name, direction in RELATIONS.items()}
        assert [name for name, part in ahead.items() if part > 0.5] == [sample.reference["relation"]]


def test_every_sample_has_semantic_and_quality_questions_whose_parents_exist() -> None:
    for sample in EVALUATION.samples:
        ids = [question.id for question in sample.questions]
        assert {question.group for question in sample.questions} == {"semantic", "quality"}
        assert all(set(question.needs) <= set(ids) for question in sample.questions)
        assert all(question.tag and question.text.endswith("?") for question in sample.questions)


def test_a_colour_binding_is_decomposed_into_questions_with_parents() -> None:
    asked = questions_for(Composition("color_attr", (("star", "red"), ("heart", "blue"))))
    assert [(one.id, one.text, one.tag, one.needs) for one in asked if one.group == "semantic"] == [
        ("s1", "Is there a star?", "Existence", ()),
        ("s2", "Is there a heart?", "Existence", ()),
        ("s3", "Is the star red?", "Attribute", ("s1",)),
        ("s4", "Is the heart blue?", "Attribute", ("s2",)),
        ("s5", "Are there exactly two objects?", "Count", ()),
    ]


def test_a_relation_needs_both_things_and_a_number_needs_one() -> None:
    position = questions_for(Composition("position", (("star", None), ("ring", None)), "left of"))
    assert ("Is the star to the left of the ring?", ("s1", "s2")) in [(one.text, one.needs) for one in position]
    counting = questions_for(Composition("counting", (("cross", None),) * 3))
    assert ("Are there exactly three crosses?", ("s1",)) in [(one.text, one.needs) for one in counting]


def test_articles_and_plurals_are_english() -> None:
    assert Composition("colors", (("star", "orange"),)).phrase == "an orange star"
    assert Composition("counting", (("cross", None),) * 3).phrase == "three crosses"
    assert Composition("position", (("star", None), ("heart", None)), "left of").phrase == "a star left of a heart"


def test_a_picture_is_drawn_in_its_colours_on_a_plain_ground() -> None:
    _, scene, _ = training_scene(0, 0)
    picture = render(scene)
    assert picture.shape == (SIDE, SIDE, 3)
    for thing in scene.things:
        if thing.shape != "ring":
            at = picture[thing.y // QUARTERS, thing.x // QUARTERS].astype(int)
            assert np.abs(at - np.array(COLOURS[thing.colour])).max() <= 1
    corner = {tuple(picture[row, column]) for row in (0, -1) for column in (0, -1)}
    assert corner == {(scene.ground,) * 3}


def test_an_unknown_split_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="no split named 'test'; the splits are: evaluation, train"):
        load(Arguments(split="test"))


def test_an_unknown_version_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="no version '2'; the versions are: 1"):
        load(Arguments(version="2"))


@pytest.mark.parametrize("count", [1, 120, 2000])
def test_the_train_split_has_the_asked_number_of_prompts(count: int) -> None:
    task = load(Arguments(split="train", count=count))
    assert len(task.samples) == len({sample.request.prompt for sample in task.samples}) == count
    assert task.split == "train"


@pytest.mark.parametrize("count", [0, 10**6])
def test_a_train_split_that_cannot_be_filled_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"training prompts to ask for, not {count}"):
        load(Arguments(split="train", count=count))
