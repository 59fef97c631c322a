"""Checkpoints as models, and weights that other programs load: what is drawn stays the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel

from harness.arguments import fill
from harness.assemble import build_model
from harness.main import run
from harness.model import Model, Setting
from harness.model_tiny import SHIPPED, read_bagel
from tasks.sample import Request
from tests.pipelines import make_pipeline, save_pipeline
from tests.test_model_diffusers import lora_file
from trainer.build import build_policy
from trainer.checkpoint import Checkpoint, save_checkpoint
from trainer.recipe import resolved
from trainer.run import identity
from trainer.shards import snapshot
from trainer.train_config import SamplerConfig, TrainConfig

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:diffusers")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def trained(out: Path, model: str, low: int = 4, **model_args: Any) -> Path:
    """A training run's folder whose checkpoint of update 3 has weights far from where they began."""
    sampler = SamplerConfig(num_inference_steps=3, window_range=(0, 2))
    config = replace(TrainConfig(), model=model, model_args=model_args, lora_r=low, output_dir=out, sampler=sampler)
    policy = build_policy(config)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        for one in policy.parameters().values():
            one.add_(torch.randn_like(one) * (0.2 if low else 0.02))
    live = snapshot(policy.parameters())
    ema = {name: 0.5 * one for name, one in live.items()}
    origin = {"trained_on": ["scenes train"], "reward_verifier": "pixels@1", "self_verified": True,
              "prompt_overlap": {"exact": 0, "near": 2}}  # fmt: skip
    state = {"identity": identity(config, "reward-1", policy.id), "resolved": resolved(config), "origin": origin}
    save_checkpoint(out / "checkpoints", Checkpoint(3, {"weights": live, "ema": ema}, state), 2, 1)
    return out


def drawn(name: str, **given: Any) -> np.ndarray:
    model: Model = build_model(name, given, Setting())
    answer = model.generate([Request("a red cube")], [5])[0]
    return np.asarray(answer.image, dtype=int)  # type: ignore[union-attr]


def test_a_checkpoint_of_a_pipeline_is_a_model_and_its_exports_draw_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_pipeline("sd3", tmp_path / "sd3")
    given = {"pretrained": str(folder), "steps": 2, "width": 32, "height": 32}
    out = trained(tmp_path / "run", "diffusers", **given)
    ours, base = drawn(f"run:{out}@3"), drawn("diffusers", **given)
    assert np.abs(ours - base).max() > 8
    assert np.abs(drawn(f"run:{out}", use_ema=True) - ours).max() > 2
    assert np.abs(drawn(f"run:{out}", draw="guidance:1.0") - ours).max() > 2
    assert run(["export", "weights", f"{out}@3", "-o", str(tmp_path / "adapter")]) == 0
    told = capsys.readouterr().out
    assert "pytorch_lora_weights.safetensors" in told
    file = tmp_path / "adapter" / "pytorch_lora_weights.safetensors"
    assert np.abs(drawn("diffusers", lora=str(file), **given) - ours).max() <= 1, "rank 4, alpha 64: the scale is 16"
    assert run(["export", str(out), "--form", "merged", "-o", str(tmp_path / "merged")]) == 0
    assert np.abs(drawn("diffusers", **{**given, "pretrained": str(tmp_path / "merged")}) - ours).max() <= 1
    card = (tmp_path / "merged" / "README.md").read_text()
    assert "Reward `reward-1`" in card
    assert "Trained on scenes train, judged by pixels@1. Held-out prompts trained on: 0, nearly: 2" in card
    told = json.loads((tmp_path / "merged" / "training.json").read_text())
    assert (told["trained_on"], told["prompt_overlap"]["near"]) == (["scenes train"], 2)
    assert build_model(f"run:{out}", {}, Setting()).record["trained_on"] == ["scenes train"]
    assert "learning_rate" in card


def test_a_run_that_began_with_a_lora_file_draws_with_it_and_exports_it(tmp_path: Path) -> None:
    folder = save_pipeline("sd3", tmp_path / "sd3")
    torch.manual_seed(0)
    given = {"pretrained": str(folder), "steps": 2, "width": 32, "height": 32}
    lora = {**given, "lora": str(lora_file(make_pipeline("sd3"), tmp_path / "lora"))}
    config = replace(TrainConfig(), model="diffusers", model_args=lora, lora_r=2)
    answer = build_policy(config).as_model(0).generate([Request("a red cube")], [5])[0]
    begun = np.asarray(answer.image, dtype=int)  # type: ignore[union-attr]
    assert np.abs(begun - drawn("diffusers", **lora)).max() <= 1
    assert np.abs(begun - drawn("diffusers", **given)).max() > 2
    out = trained(tmp_path / "run", "diffusers", **lora)
    assert run(["export", "weights", str(out), "--form", "merged", "-o", str(tmp_path / "merged")]) == 0
    ours = drawn(f"run:{out}")
    assert np.abs(drawn("diffusers", **{**given, "pretrained": str(tmp_path / "merged")}) - ours).max() <= 1
    assert run(["export", "weights", str(out), "-o", str(tmp_path / "adapter")]) == 2


@pytest.mark.parametrize("low", [0, 4])
def test_a_checkpoint_of_the_embedded_model_is_a_model_and_its_export_draws_the_same(tmp_path: Path, low: int) -> None:
    out = trained(tmp_path / "run", "tiny", low, points=3, rows=1)
    ours, base = drawn(f"run:{out}"), drawn("tiny", points=3, rows=1)
    assert np.abs(ours - base).max() > 8
    assert run(["export", "weights", str(out), "--form", "merged", "-o", str(tmp_path / "merged")]) == 0
    theirs = drawn("tiny", weights=str(tmp_path / "merged"), points=3, rows=1)
    assert np.abs(theirs - ours).mean() < 0.05 * np.abs(ours - base).mean(), "weights ship in half precision"
    if low:
        assert run(["export", "weights", str(out), "-o", str(tmp_path / "adapter")]) == 0
        wrapped: Any = PeftModel.from_pretrained(read_bagel(SHIPPED)[0], str(tmp_path / "adapter"))
        merged = wrapped.merge_and_unload().state_dict()
        whole, name = (
            read_bagel(tmp_path / "merged")[0].state_dict(),
            "language_model.model.layers.0.mlp_moe_gen.up_proj",
        )
        assert torch.allclose(merged[f"{name}.weight"], whole[f"{name}.weight"], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("nowhere", "there is no folder nowhere"),
        ("{out}@9", "has no checkpoint of update 9; it has 3"),
        ("{empty}", "holds no finished checkpoint"),
        ("{part}", "of step-000001 there is a part, without manifest.json"),
        ("{damaged}", "its SHA-256 differs"),
        ("{out} use_ema", "keeps no averaged weights"),
    ],
)
def test_what_is_no_whole_checkpoint_is_refused_in_one_sentence(
    place: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state: dict[str, Any] = {"identity": {"model": "tiny@0", "reward": "r"}, "resolved": resolved(TrainConfig())}
    checkpoint = Checkpoint(3, {"weights": {"w": torch.zeros(1)}}, state)
    for name in ("out", "damaged"):
        save_checkpoint(tmp_path / name / "checkpoints", checkpoint, 2, 1)
    (tmp_path / "damaged/checkpoints/step-000003/weights.safetensors").write_bytes(b"")
    (tmp_path / "part/checkpoints/step-000001").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    names = {name: tmp_path / name for name in ("out", "empty", "part", "damaged")}
    path, _, ema = place.format(**names).partition(" ")
    more = ["-a", "use_ema=true"] if ema else []
    assert run(["eval", "-M", f"run:{path}", "-L", "1", *more, "-o", str(tmp_path / "eval")]) == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert len(printed.strip().splitlines()) == 1


def test_other_weights_than_those_trained_on_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_pipeline("sd3", tmp_path / "sd3")
    out = trained(tmp_path / "run", "diffusers", pretrained=str(folder), steps=2, width=32, height=32)
    config = folder / "transformer" / "config.json"
    config.write_text(config.read_text() + " ")
    assert run(["export", "weights", str(out)]) == 2
    assert "was trained on sd3@" in capsys.readouterr().err


def test_a_dry_run_for_the_hub_shows_the_files_and_a_folder_in_use_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    out = trained(tmp_path / "run", "tiny", points=3)
    assert run(["export", "weights", str(out), "--hub", "me/mine", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "4 files would go to hub:me/mine" in told
    assert "adapter_model.safetensors" in told
    assert run(["export", "weights", str(out), "--hub", "me/mine"]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert run(["export", "weights", str(out), "--hub", "me/mine", "-o", str(tmp_path / "new")]) == 2
    assert "needs a token with write access in HF_TOKEN" in capsys.readouterr().err
    assert run(["export", "weights", str(out), "--hub", "mine"]) == 2
    assert "names no repository" in capsys.readouterr().err
    assert run(["export", str(tmp_path)]) == 2
    assert "holds nothing that can be exported" in capsys.readouterr().err


def test_arguments_of_a_checkpoint_are_checked() -> None:
    from trainer.model_run import Arguments

    with pytest.raises(ValueError, match="did you mean 'use_ema'"):
        fill(Arguments, {"path": "x", "use_em": True}, "model 'run'")
