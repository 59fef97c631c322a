"""Styles held against references, and how far apart the pictures of a prompt lie, by small random encoders."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.assemble import build_reward, load_task
from harness.diversity import spread
from harness.main import run
from reward.verifier import Query
from reward.verifier_style import Arguments, build
from tasks.sample import Generation, Response
from tests.test_clip import clip
from tests.test_detector_models import save, words

__all__ = ["words"]
transformers = pytest.importorskip("transformers")
NOISE = [Image.effect_noise((48, 48), 60 + 20 * one).convert("RGB") for one in range(3)]


def dino(folder: Path) -> str:
    torch.manual_seed(1)
    config = transformers.Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32,
                                       patch_size=16)  # fmt: skip
    processor = transformers.BitImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return save(folder, transformers.Dinov2Model(config), processor)


def asked(arguments: Arguments, styles: tuple[str, ...], picture: Image.Image = NOISE[0]) -> list[float]:
    return [float(one.text) for one in build(arguments).ask([Query((picture,), style, ()) for style in styles])]


def test_a_picture_is_as_like_a_style_as_its_nearest_reference(tmp_path: Path, words: object) -> None:
    where = clip(tmp_path / "clip", words)
    for style, pictures in (("cubism", NOISE[1:]), ("clay", NOISE[:1])):
        (tmp_path / "refs" / style).mkdir(parents=True)
        for place, one in enumerate(pictures):
            one.save(tmp_path / "refs" / style / f"{place}.png")
    arguments = Arguments(where, tmp_path / "refs")
    cubism, clay = asked(arguments, ("cubism", "clay"))
    assert clay == pytest.approx(1.0, abs=1e-5)
    vectors = build(arguments).sights[0].encoder.vectors(NOISE)
    assert cubism == pytest.approx(max(float(vectors[0] @ one) for one in vectors[1:]), abs=1e-5)
    (unknown,) = build(arguments).ask([Query((NOISE[0],), "baroque", ())])
    assert (unknown.status, unknown.error) == ("parse_error", "no reference of the style 'baroque'")


def test_two_encoders_are_averaged_and_nothing_is_below_zero(tmp_path: Path, words: object) -> None:
    first, second = clip(tmp_path / "clip", words), dino(tmp_path / "dino")
    one = build(Arguments(second, folder_of(tmp_path))).sights[0].encoder.vectors([NOISE[0]])
    save_file({"a": one * 3, "b": -one}, tmp_path / "dino.safetensors")
    save_file({"a": torch.ones(1, 8), "b": -torch.ones(1, 8)}, tmp_path / "clip.safetensors")
    arguments = Arguments(first, tmp_path / "clip.safetensors", second, tmp_path / "dino.safetensors")
    alone = asked(Arguments(first, tmp_path / "clip.safetensors"), ("a", "b"))
    assert asked(arguments, ("a", "b")) == pytest.approx([(alone[0] + 1) / 2, alone[1] / 2], abs=1e-5)
    assert min(alone) == 0.0 < max(alone)
    assert build(arguments).record["stand_in"] == "clip-1x16+dinov2-1x16"


def folder_of(tmp_path: Path) -> Path:
    (tmp_path / "one/a").mkdir(parents=True)
    NOISE[0].save(tmp_path / "one/a/0.png")
    return tmp_path / "one"


def test_what_cannot_be_a_reference_is_named_and_never_unpickled(tmp_path: Path, words: object) -> None:
    where = clip(tmp_path / "clip", words)
    torch.save({"a": torch.ones(1, 8)}, tmp_path / "whole.pt")
    (tmp_path / "broken.safetensors").write_bytes(b"not at all")
    save_file({"a": torch.ones(1, 5)}, tmp_path / "narrow.safetensors")
    (tmp_path / "empty").mkdir()
    for name, said in (("whole.pt", "pickles are never loaded"), ("broken.safetensors", "is no file of vectors"),
                       ("narrow.safetensors", "no vectors of width 8"), ("empty", "holds no references"),
                       ("none.pt", "there is no file or folder")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            build(Arguments(where, tmp_path / name))
    with pytest.raises(ValueError, match="goes with references of its own"):
        build(Arguments(where, tmp_path / "empty", second=where))
    with pytest.raises(ValueError, match="there is no folder "):
        build(Arguments(str(tmp_path / "nowhere"), tmp_path / "empty"))


def test_oneigs_prompts_have_their_styles_and_the_encoder_is_in_the_name(
    official: Path, tmp_path: Path, words: object
) -> None:
    task = load_task("oneig-style", {})
    assert Counter(sample.tags for sample in task.samples)["minimalism",] == 6
    style = task.samples[0].questions[0].text
    save_file({style: torch.ones(2, 8)}, tmp_path / "refs.safetensors")
    given = {"pretrained": clip(tmp_path / "clip", words), "references": str(tmp_path / "refs.safetensors")}
    reward = build_reward(task, build(Arguments(given["pretrained"], tmp_path / "refs.safetensors")))
    (score,) = reward.score([Generation(task.samples[0], 1, Response(NOISE[0]))])
    assert score.value is not None
    flags = ["--task", "oneig-style", "--samples", task.samples[0].id, "--model", "blank", "-v", "quiet"]
    verifier = ["--verifier", "style", "--verifier-args", json.dumps(given), "-o", str(tmp_path / "run")]
    assert run(["eval", *flags, *verifier]) == 0
    assert json.loads((tmp_path / "run/run.json").read_text())["task"]["name"] == "oneig-style@clip-1x16"


def test_the_spread_of_vectors_is_the_mean_over_their_pairs() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), dim=-1)
    root = 0.5**0.5
    assert spread(vectors) == pytest.approx(((1 - root) + (1 - 0.0) + (1 - root)) / 3)
    assert spread(vectors[[0, 0]]) == pytest.approx(0.0, abs=1e-9)


def test_diversity_is_told_of_finished_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = dino(tmp_path / "dino")
    folders = []
    for seed in ("0", "1"):
        flags = ["--task", "scenes", "--limit", "3", "--num-images", "2", "--seed", seed, "-v", "quiet"]
        folders.append(str(tmp_path / f"run{seed}"))
        assert run(["eval", "--model", "tests.painter", *flags, "-o", folders[-1]]) == 0
    capsys.readouterr()
    assert run(["diversity", *folders, "--pretrained", where, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    values = [one["value"] for one in told["runs"]]
    assert told["all"]["value"] == pytest.approx(sum(values) / 2)
    assert told["all"]["planned"] == told["all"]["scored"] == 6
    assert 0.0 < told["all"]["value"] < 2.0
    assert run(["diversity", folders[0], "--pretrained", where]) == 0
    assert "3/3 prompts" in capsys.readouterr().out
    single = ["--task", "scenes", "--limit", "2", "--num-images", "1", "-v", "quiet", "-o", str(tmp_path / "single")]
    assert run(["eval", "--model", "tests.painter", *single]) == 0
    assert run(["diversity", str(tmp_path / "single"), "--pretrained", where]) == 0
    assert "- " in capsys.readouterr().out.splitlines()[-1]  # no pairs, so no value
    assert run(["diversity", str(tmp_path / "nowhere"), "--pretrained", where]) == 2
