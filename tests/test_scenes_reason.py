"""The riddles of the embedded world: what they mean, and that neither split gives the other away."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.riddle import facts
from tasks.scenes import held_out_pairs
from tasks.scenes_reason import PROMPTS_PER_TAG, TAGS, Arguments, load
from trainer.vocabulary import build_tokenizer


def test_the_evaluation_split_asks_every_kind_of_inference_equally_often() -> None:
    task = load(Arguments())
    assert Counter(sample.tags[0] for sample in task.samples) == dict.fromkeys(TAGS, PROMPTS_PER_TAG)
    assert len({sample.request.prompt for sample in task.samples}) == len(task.samples)
    assert task.samples == load(Arguments()).samples


def test_no_prompt_of_training_occurs_in_evaluation_and_none_means_an_unseen_pair() -> None:
    evaluation, train = load(Arguments()), load(Arguments(split="train", count=3000))
    assert not {one.request.prompt for one in evaluation.samples} & {one.request.prompt for one in train.samples}
    for sample in (*evaluation.samples, *train.samples):
        assert not held_out_pairs() & {tuple(thing) for thing in sample.reference["things"]}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("shape with three sides", "triangle"),
        ("in the colour of red mixed with yellow", "an orange "),
        ("in the colour of snow", "a white "),
        ("as a tricycle has wheels", "three "),
        ("on its left", " left of "),
    ],
)
def test_a_riddle_means_what_it_says(said: str, meant: str) -> None:
    found = [one for one in load(Arguments(split="train", count=3000)).samples if said in one.request.prompt]
    assert found
    assert all(meant in one.reference["meant"] for one in found)


def test_a_thing_on_the_left_of_a_star_is_left_of_the_star() -> None:
    sample = next(one for one in load(Arguments(split="train")).samples if "star with a" in one.request.prompt)
    other = sample.reference["things"][0][0]
    assert sample.reference["things"][1][0] == "star"
    assert f"with a {other}" in sample.request.prompt


def test_every_word_of_a_riddle_or_a_fact_is_known_to_the_embedded_model() -> None:
    tokenizer = build_tokenizer()
    texts = [one.request.prompt for one in load(Arguments(split="train", count=3000)).samples]
    texts += [f"{fact.question} {fact.answer}" for fact in facts()]  # relations ask where, which is spelt in letters
    assert not [text for text in texts if any(piece.startswith("##") for piece in tokenizer.encode(text).tokens)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (Arguments(split="test"), "no split of scenes-reason named 'test'"),
        (Arguments(version="0"), "no version '0'"),
        (Arguments(split="train", count=0), "1 to"),
    ],
)
def test_what_does_not_exist_is_named(arguments: Arguments, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(arguments)
