"""Pretraining: the same numbers give the same weights, a stopped run goes on to them, and what it writes opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.bagel.tokenizer import TextCoder
from harness.model import Setting
from harness.model_tiny import Arguments, build
from tasks.sample import Request
from trainer.lesson import MIX, examples
from trainer.muon import Muon, orthogonalise
from trainer.pretrain import Lessons, PretrainConfig, draw_loss, initialise, pretrain, rate, shape
from trainer.vocabulary import build_tokenizer, vocabulary

SMALL = PretrainConfig(steps=6, prompts=4, draws=2, hidden=64, layers=2, save_every=3)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(replace(SMALL, out=tmp_path / "whole"))
    pretrain(replace(SMALL, out=tmp_path / "halves", steps=6, stop=3))
    pretrain(replace(SMALL, out=tmp_path / "halves"))
    capsys.readouterr()
    whole = load_file(tmp_path / "whole" / "tiny" / "ema.safetensors")
    halves = load_file(tmp_path / "halves" / "tiny" / "ema.safetensors")
    assert all(torch.equal(tensor, halves[name]) for name, tensor in whole.items())


def test_what_it_writes_is_a_model_that_draws(tmp_path: Path) -> None:
    pretrain(replace(SMALL, out=tmp_path))
    model = build(Arguments(weights=tmp_path / "tiny", points=3), Setting())
    assert model.generate([Request("a red star")], [0])[0].image.size == (32, 32)


def test_training_lowers_the_loss_on_a_fixed_batch() -> None:
    torch.manual_seed(0)
    coder = TextCoder(build_tokenizer())
    from harness.bagel.model import Bagel

    model = Bagel(shape(SMALL), coder.special)
    initialise(model)
    batch, level, noise = Lessons(SMALL, coder).batch(0)
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], 3e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = draw_loss(model, batch, SMALL.draws, level, noise)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_lessons_depend_on_their_numbers_alone() -> None:
    assert [one.text for one in examples(1, 10, 5)] == [one.text for one in examples(1, 8, 7)][2:]
    assert sum(MIX.values()) > 0


def test_the_learning_rate_warms_up_stays_and_falls_to_zero() -> None:
    config = PretrainConfig(steps=1000, decay=0.3)
    assert [rate(step, config) for step in (0, 99, 500, 700, 850, 1000)] == [0.01, 1.0, 1.0, 1.0, 0.5, 0.0]


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
    for example in examples(0, 0, 200):
        pieces = coder.tokenizer.encode(example.text, add_special_tokens=False).tokens
        assert not [piece for piece in pieces if piece.startswith("##")]
    assert coder.decode(coder.encode("a red star left of a heart")) == "a red star left of a heart"
