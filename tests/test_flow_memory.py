"""Training pipelines where memory is short: what is kept, computed again, planned, and found again by a resume."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.main import run
from tests.pipelines import save_pipeline, small_sources
from tests.test_flow_policy import EDITS, command, policy_of, rows_of
from tests.test_train import SHARDS, make, together
from trainer.build import build_policy
from trainer.build_flow import model_arguments
from trainer.memory_flow import flow_memory
from trainer.policy_flow import FlowPolicy
from trainer.train import train
from trainer.train_config import SamplerConfig, TrainConfig

SEVERAL = ("sd3", "kontext")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("short")
    return {name: save_pipeline(name, root / name) for name in (*SEVERAL, "qwen", "sana")}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("trainer.log.plot_curves", lambda *_: None)
    small_sources(monkeypatch)


def kept_by(policy: FlowPolicy, name: str) -> tuple[int, int]:
    """Bytes that autograd keeps of a micro-batch of 4 x 2 evaluations beside the weights, and tokens of its texts."""
    replayed = policy.replay(policy.explore(rows_of(name)), train=True)
    scene: Any = replayed.contexts[0]
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    own = {one.untyped_storage().data_ptr() for one in policy.network.parameters()}
    latents = torch.randn(4, 2, *scene.layout.shape, generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        found = policy.velocities(replayed, 0, latents, torch.full((4, 2), 0.6), policy.sampler.guidance)
    texts = [one[key].shape[1] for one in scene.conditions for key in ("text", "empty") if key in one]
    found.sum().backward()
    return sum(size for place, size in sizes.items() if place not in own), max(texts)


def plan_of(name: str, folder: Path, **changes: Any) -> TrainConfig:
    side = 64 if name == "sana" else 32
    given: Mapping[str, Any] = {"pretrained": str(folder), "width": side, "height": side}
    given = {**given, "buckets": "32x32"} if name in EDITS else given
    sampler = SamplerConfig(guidance_scale=3.0, window_size=2)
    settings = TrainConfig(model="diffusers", model_args=given, lora_r=4, sampler=sampler)
    return replace(settings, per_device_train_batch_size=4, **changes)


@pytest.mark.parametrize("name", [*SEVERAL, "qwen", "sana"])
def test_the_estimate_is_that_of_the_weights_and_near_what_autograd_keeps(name: str, folders: dict[str, Path]) -> None:
    policy = policy_of(name, 3.0)
    measured, text = kept_by(policy, name)
    found = flow_memory(plan_of(name, folders[name]), text=text)
    assert found is not None
    adapters = sum(one.numel() for one in policy.parameters().values())
    assert found.trained == 20 * adapters
    vae = policy.model.pipeline.vae
    held = sum(one.numel() for part in (policy.network, vae) for one in part.state_dict().values())
    assert found.weights == 4 * (held - adapters)
    assert 0.5 < found.activations / measured < 2.0


@pytest.mark.parametrize("name", ["sd3", "qwen"])
def test_layers_that_are_computed_again_keep_less_and_give_the_same_gradients(name: str) -> None:
    plain, again = policy_of(name, 3.0), policy_of(name, 3.0)
    again.network.enable_gradient_checkpointing()  # type: ignore[operator]
    kept = kept_by(plain, name)[0], kept_by(again, name)[0]
    assert kept[1] < 0.5 * kept[0]
    pairs = zip(plain.parameters().items(), again.parameters().values(), strict=True)
    assert [key for (key, one), other in pairs if not torch.equal(given(one), given(other))] == []


def given(parameter: torch.nn.Parameter) -> torch.Tensor:
    """Its gradient; a parameter that has none is told by an empty one."""
    return torch.empty(0) if parameter.grad is None else parameter.grad


def trained(folder: Path, out: Path, *more: str) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    assert run(command(folder, out, *more)) == 0
    step = max((out / "checkpoints").glob("step-*"))
    tensors = {**load_file(step / "weights.safetensors"), **load_file(step / "optimiser.safetensors")}
    return tensors, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", SEVERAL)
def test_a_resumed_run_and_one_that_computes_layers_again_are_the_whole_one_bit_for_bit(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    whole, curve = trained(folders[name], tmp_path / "whole", "eval_steps=0")
    trained(folders[name], tmp_path / "part", "eval_steps=0", "max_steps=1")
    resumed, after = trained(folders[name], tmp_path / "part", "eval_steps=0")
    assert after == curve
    again, same = trained(folders[name], tmp_path / "again", "eval_steps=0", "gradient_checkpointing=true")
    assert same == curve
    for found in (resumed, again):
        assert found.keys() == whole.keys()
        assert [key for key, one in whole.items() if not torch.equal(one, found[key])] == []


def test_the_plan_of_a_pipeline_tells_its_memory(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command(folders["sd3"], tmp_path), "--plan"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"memory of a training step +0\.\d\d GiB", told)
    asked = plan_of("sd3", folders["sd3"], gradient_checkpointing=True)
    assert build_policy(asked).network.is_gradient_checkpointing  # type: ignore[attr-defined]
    small, large = (flow_memory(plan_of("sd3", folders["sd3"], gradient_checkpointing=one)) for one in (True, False))
    assert small is not None
    assert large is not None
    assert small.activations < large.activations
    whole, split = (flow_memory(plan_of("sd3", folders["sd3"], lora_r=0), processes=many) for many in (None, 8))
    assert whole is not None
    assert split is not None
    assert split.trained / whole.trained == pytest.approx((4 + 20 / 8) / 16, rel=0.01)  # bytes a number
    assert flow_memory(TrainConfig(model="diffusers", model_args={"pretrained": "owner/name"})) is None


def test_out_of_memory_on_the_way_back_is_one_sentence_with_the_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("trainer.train.accumulate", hungry)
    said = r"out of memory in a training step, which takes about \d+\.\d\d GiB by arithmetic; try a smaller "
    with pytest.raises(ValueError, match=said + r"per_device_train_batch_size \(now 32\) or sampler.window_size"):
        train(make(tmp_path))
    monkeypatch.setattr("trainer.train.collect", hungry)
    with pytest.raises(ValueError, match=r"out of memory in a rollout, .* smaller rollout_batch_size \(now 8\)"):
        train(make(tmp_path / "other"))


def test_another_error_of_an_update_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr("trainer.train.accumulate", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(make(tmp_path))


@pytest.mark.proof
def test_all_weights_of_a_pipeline_train_in_shards_as_in_one_process(folders: dict[str, Path], tmp_path: Path) -> None:
    more = ("eval_steps=0", "lora_r=0", "image.beta=0.1", "max_steps=1")
    whole, _ = trained(folders["sd3"], tmp_path / "whole", *more)
    together(["-m", "harness", *command(folders["sd3"], tmp_path / "split", *more)], 2, **SHARDS)
    step = max((tmp_path / "split" / "checkpoints").glob("step-*"))
    split = {**load_file(step / "weights.safetensors"), **load_file(step / "optimiser.safetensors")}
    assert split.keys() == whole.keys()
    assert max(float((one - split[key]).abs().max()) for key, one in whole.items()) < 1e-6


def test_a_pipeline_in_shards_computes_in_half_precision_with_all_of_its_weights(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = plan_of("sd3", folders["sd3"], lora_r=0, bf16=True)
    assert model_arguments(asked)["dtype"] == "float32"
    for name, value in SHARDS.items():
        monkeypatch.setenv(name, value)
    assert model_arguments(asked)["dtype"] == "bfloat16"
