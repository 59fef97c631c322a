"""Pretraining: the same numbers give the same weights, a stopped run goes on to them, and what it writes opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file

from harness.bagel.model import Bagel
from harness.bagel.prompts import Prompts
from harness.bagel.tokenizer import TextCoder
from harness.model import Setting
from harness.model_tiny import SHIPPED, Arguments, build
from tasks.riddle import facts
from tasks.sample import Request
from trainer.curriculum import COURSES, Course, Portion, batch_of, lessons_of
from trainer.exercise import answers, losses, read, written
from trainer.lesson import Example, Picture, draw, edit, infer, is_used, know, think
from trainer.look import answer, describe, examine
from trainer.muon import Muon, orthogonalise
from trainer.optimisers import rate
from trainer.pretrain import DRAWING, PretrainConfig, initialise, pretrain, shape
from trainer.repair import reflect
from trainer.vocabulary import build_tokenizer, vocabulary

SMALL = PretrainConfig(steps=4, hidden=64, layers=2, save_every=2)
PROMPTS = Prompts.read(SHIPPED / "prompts.json")
LESSONS = {"draw": draw, "think": think, "infer": infer, "know": know, "edit": edit, "answer": answer,
           "describe": describe, "examine": examine, "reflect": reflect}  # fmt: skip
DRAWN = ("draw", "think", "edit", "reflect")
FEW = {
    "draw": {"draw": Portion(draw, 4, 2, 0.1)},
    "look": {"describe": Portion(describe, 2)},
    "redraw": {name: Portion(LESSONS[name], 2, 2) for name in DRAWN},
    "all": {name: Portion(lesson, 2, 2 if name in DRAWN else 0) for name, lesson in LESSONS.items()},
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Courses of the same lessons with few examples."""
    for course, portions in FEW.items():
        monkeypatch.setitem(COURSES, course, portions)


def example(name: str, number: int) -> Example:
    return LESSONS[name](PROMPTS, Random(number), number)


def small(course: Course = "all") -> tuple[Bagel, TextCoder]:
    torch.manual_seed(0)
    coder = TextCoder(build_tokenizer())
    model = Bagel(shape(replace(SMALL, course=course)), coder.special)
    initialise(model)
    return model, coder


@pytest.mark.parametrize("course", ["draw", "all"])
def test_a_stopped_run_goes_on_to_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], course: Course
) -> None:
    config = replace(SMALL, course=course)
    pretrain(replace(config, out=tmp_path / "whole"))
    pretrain(replace(config, out=tmp_path / "halves", stop=2))
    pretrain(replace(config, out=tmp_path / "halves"))
    capsys.readouterr()
    whole = load_file(tmp_path / "whole" / "tiny" / "ema.safetensors")
    halves = load_file(tmp_path / "halves" / "tiny" / "ema.safetensors")
    assert all(torch.equal(tensor, halves[name]) for name, tensor in whole.items())


def test_what_it_writes_is_a_model_that_draws_and_where_the_next_course_begins(tmp_path: Path) -> None:
    pretrain(replace(SMALL, out=tmp_path))
    model = build(Arguments(weights=tmp_path / "tiny", points=3), Setting())
    assert model.generate([Request("a red star")], [0])[0].image.size == (32, 32)
    pretrain(replace(SMALL, out=tmp_path / "look", course="look", start=tmp_path / "tiny", steps=1, lr=0.0))
    before, after = (load_file(tmp_path / part / "ema.safetensors") for part in ("tiny", "look/tiny"))
    assert before.keys() < after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_the_drawing_expert_can_learn_alone(tmp_path: Path) -> None:
    pretrain(replace(SMALL, out=tmp_path / "whole", course="all", steps=1))
    pretrain(
        replace(
            SMALL, out=tmp_path, course="redraw", part="drawing", start=tmp_path / "whole" / "tiny", steps=2, lr=0.05
        )
    )
    before, after = (load_file(tmp_path / part / "ema.safetensors") for part in ("whole/tiny", "tiny"))
    changed = {name for name, one in before.items() if not torch.equal(one, after[name])}
    assert changed
    assert all(any(part in name for part in DRAWING) for name in changed)
    assert {name: one.dtype for name, one in before.items()} == {name: one.dtype for name, one in after.items()}


@pytest.mark.parametrize("name", LESSONS)
def test_each_lesson_can_be_learnt(name: str) -> None:
    model, coder = small()
    batch = batch_of(name, FEW["all"][name], PROMPTS, 0, 0, 8, 0.4)
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], 3e-3)
    found = []
    for _ in range(12):
        optimiser.zero_grad()
        parts = [loss for loss in losses(model, coder, batch) if loss is not None]
        loss = torch.stack(parts).sum()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    assert found[-1] < 0.75 * found[0]


@pytest.mark.parametrize("name", LESSONS)
def test_lessons_depend_on_their_numbers_alone(name: str) -> None:
    one, again, other = (batch_of(name, FEW["all"][name], PROMPTS, 0, step, 8, 0.4) for step in (3, 3, 4))
    assert torch.equal(one.noise, again.noise)
    assert [part.asked for part in one.examples] == [part.asked for part in again.examples]
    assert [part.thought for part in one.examples] == [part.thought for part in again.examples]
    assert str(one.examples) != str(other.examples)


def test_asking_together_is_asking_one_by_one() -> None:
    model, coder = small()
    examples = [example("answer", number) for number in (1, 2)]
    batch = batch_of("answer", Portion(answer, 2), PROMPTS, 0, 0, 8, 0.4)
    context = read(model, coder, replace(batch, examples=tuple(examples)))
    together = answers(model, coder, context, examples)
    total, count = torch.zeros(()), 0
    for one in examples:
        own = read(model, coder, replace(batch, examples=(one,), plain=(False,)))
        for question, said in one.asked:
            asked, _, _ = model.read_words(own, [coder.encode(question)])
            ids = coder.encode(said)
            total = total + written(model, asked, [ids])[1] * (len(ids) - 1)
            count += len(ids) - 1
    assert torch.allclose(together, total / count, atol=1e-5)


def test_a_wrong_picture_is_put_right_by_what_the_reflection_says() -> None:
    kinds = set()
    for number in range(300):
        found = example("reflect", number)
        verdict = found.thought.split(" . ", 1)[1].removesuffix(" . </think>")
        assert isinstance(found.read[1], Picture)
        right = (found.read[1].pixels == found.image).all()
        assert right == (verdict == PROMPTS.satisfied)
        kinds.add(verdict.split()[2] if not right else "right")
    assert kinds == {"right", "make", "add", "remove", "replace", "move"}


def test_half_of_the_facts_are_used_in_plans_and_all_are_known() -> None:
    used = {is_used(fact.question) for fact in facts()}
    assert used == {True, False}
    asked = {question for number in range(400) for question, _ in example("know", number).asked}
    assert {fact.question for fact in facts()} <= asked


def test_an_indirect_prompt_is_never_drawn_in_training() -> None:
    assert all(example("infer", number).image is None for number in range(20))
    for name in ("draw", "think"):
        assert not any("mixed with" in str(example(name, number).read) for number in range(200))


def test_lessons_that_are_not_in_every_step_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COURSES, "all", {"answer": Portion(answer, 1), "draw": Portion(draw, 1, 1, every=2)})
    assert [sorted(lessons_of("all", step)) for step in range(3)] == [["answer"], ["answer", "draw"], ["answer"]]


def test_the_learning_rate_warms_up_stays_and_falls_to_zero() -> None:
    assert [rate(step, 1000, 0.3) for step in (0, 99, 500, 700, 850, 1000)] == [0.01, 1.0, 1.0, 1.0, 0.5, 0.0]


def test_muon_makes_singular_values_nearly_one() -> None:
    torch.manual_seed(0)
    flat = orthogonalise(torch.randn(3, 40, 24))
    values = torch.linalg.svdvals(flat)
    assert values.max() < 1.3
    assert values.min() > 0.4


def test_muon_and_the_library_agree_on_the_direction() -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(32, 48)) for _ in range(2))
    gradient = torch.randn(32, 48)
    for parameter, kind in ((ours, Muon), (theirs, torch.optim.Muon)):
        before = parameter.detach().clone()
        parameter.grad = gradient.clone()
        extra = {} if kind is Muon else {"weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"}
        optimiser = kind([parameter], lr=0.01, **({"decay": 0.0} if kind is Muon else extra))  # type: ignore[operator]
        optimiser.step()
        parameter.data -= before
    similarity = torch.nn.functional.cosine_similarity(ours.detach().flatten(), theirs.detach().flatten(), dim=0)
    assert similarity > 0.99
    assert ours.detach().norm() / theirs.detach().norm() == pytest.approx(1.0, abs=0.05)


def test_every_word_of_the_world_has_an_id_of_its_own() -> None:
    words = vocabulary()
    assert len(set(words)) == len(words)
    coder = TextCoder(build_tokenizer())
    for name in LESSONS:
        for number in range(100):
            one = example(name, number)
            said = [text for text in one.read if isinstance(text, str)] + [part for pair in one.asked for part in pair]
            text = " ".join([*said, one.thought]).replace("where", "")  # the one word that is spelt in letters
            pieces = coder.tokenizer.encode(text, add_special_tokens=False).tokens
            assert not [piece for piece in pieces if piece.startswith("##")]
    assert coder.decode(coder.encode("a red star left of a heart")) == "a red star left of a heart"
