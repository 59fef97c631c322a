"""The embedded model: what ships, what its pictures depend on, and what a damaged checkpoint gets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from harness.main import run
from harness.model import Setting
from harness.model_tiny import SHIPPED, Arguments, build
from harness.picture import picture_name
from tasks.sample import Request
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load

PROMPTS = [sample.request.prompt for sample in load(ScenesArguments()).samples[:6]]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "weights"))


def names(prompts: list[str], seeds: list[int], size: int) -> list[str]:
    model = build(Arguments(points=6), Setting())
    found = []
    for start in range(0, len(prompts), size):
        stop = start + size
        responses = model.generate([Request(prompt) for prompt in prompts[start:stop]], seeds[start:stop])
        found += [picture_name(response.image) for response in responses]
    return found


def test_the_weights_ship_within_their_limits() -> None:
    model = build(Arguments(), Setting())
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 20_000_000
    assert 2_000_000 <= model.record["parameters"] <= 8_000_000


def test_pictures_are_the_same_for_every_batch_size_and_order() -> None:
    prompts, seeds = (PROMPTS * 3)[:16], list(range(100, 116))
    whole = names(prompts, seeds, 16)
    assert len(set(whole)) == 16
    assert names(prompts, seeds, 4) == whole
    assert names(prompts, seeds, 1) == whole
    assert names(prompts[::-1], seeds[::-1], 16) == whole[::-1]


def test_a_long_prompt_beside_short_ones_changes_none_of_them() -> None:
    long = "please " * 40 + PROMPTS[0]
    alone = names([PROMPTS[1]], [1], 1)
    assert names([long, PROMPTS[1]], [0, 1], 2)[1] == alone[0]


def test_words_it_never_saw_are_drawn_without_a_crash() -> None:
    model = build(Arguments(points=3), Setting())
    responses = model.generate([Request("Zwölf Boxkämpfer 你好 🙂"), Request("")], [1, 2])
    assert [response.image.size for response in responses] == [(32, 32), (32, 32)]


def test_guidance_changes_the_picture_and_whose_run_it_is(tmp_path: Path) -> None:
    drawn = [
        build(Arguments(points=4, guidance=scale), Setting()).generate([Request(PROMPTS[0])], [0])[0].image
        for scale in (1.0, 3.0)
    ]
    assert picture_name(drawn[0]) != picture_name(drawn[1])
    folder = tmp_path / "run"
    arguments = ["eval", "--limit", "1", "--num-images", "1", "-o", str(folder), "-v", "quiet"]
    assert run([*arguments, "-a", "points=4,guidance=1"]) == 0
    assert run([*arguments, "-a", "points=4,guidance=3"]) == 2


def test_a_corrupt_checkpoint_is_one_sentence(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = copy / "ema.safetensors"
    for content in (weights.read_bytes()[:1000], b"garbage", b""):
        weights.write_bytes(content)
        assert run(["eval", "-a", f"weights={copy}", "-o", str(tmp_path / "run")]) == 2
        said = capsys.readouterr().err
        assert "ema.safetensors" in said
        assert len(said.strip().splitlines()) == 1


def test_weights_of_another_shape_are_named(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((copy / "llm_config.json").read_text())
    (copy / "llm_config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    assert run(["eval", "-a", f"weights={copy}", "-o", str(tmp_path / "run")]) == 2
    assert "language_model.model.layers.2" in capsys.readouterr().err
