"""Pipelines as policies: evaluated, trained and evaluated again by one command, replayed as they were drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.bagel.guidance import Guidance
from harness.main import run
from harness.model_diffusers import DiffusersModel
from tasks.sample import Request
from tests.few import Arguments as Few
from tests.few import load
from tests.pipelines import make_pipeline, save_pipeline, small_sources
from trainer.build_flow import flow_policy
from trainer.embeddings import encoders
from trainer.parity import measure
from trainer.plan import INITIAL, Group
from trainer.policy_flow import FlowPolicy, default_size
from trainer.sampler import Sampler
from trainer.shards import snapshot
from trainer.train_config import SamplerConfig, TrainConfig
from trainer.trajectory import Situation
from trainer.window import Window

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:diffusers")
SIZED: dict[str, str] = {
    "sd3": "width=32,height=32",
    "flux": "width=32,height=32",
    "kontext": "buckets=32x32,call=_auto_resize:false",
    "qwen": "width=32,height=32",
    "qwen-edit": "buckets=32x32",
    "sana": "width=64,height=64,call=use_resolution_binning:false",
}
EDITS = ("kontext", "qwen-edit")
SHORT = ["num_generations=2", "prompts_per_step=2", "rollout_batch_size=4", "per_device_train_batch_size=4",
         "lora_r=4", "lora_alpha=8", "sampler.num_inference_steps=4", "sampler.window_range=[0,3]", "max_steps=2",
         "held_out.num_images=1", "eval_steps=2", "save_steps=1", "sample_steps=1"]  # fmt: skip


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("trained")
    return {name: save_pipeline(name, root / name) for name in SIZED}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def command(folder: Path, out: Path, *more: str) -> list[str]:
    """`harness train` of a saved pipeline, with what the tests share."""
    edits = str(folder.name in EDITS).lower()
    model = f"pretrained={folder},steps=2,{SIZED.get(folder.name, 'width=32,height=32')}"
    tasks = [f"task_args={{split: train, edits: {edits}}}", f"held_out.task_args={{edits: {edits}}}"]
    settings = [one for setting in [*SHORT, *tasks, *more] for one in ("--set", setting)]
    return ["train", "-M", "diffusers", "-a", model, "-t", "tests.few", "-o", str(out), "-v", "quiet", *settings]


@pytest.mark.parametrize("name", SIZED)
def test_every_family_is_evaluated_trained_and_evaluated_again(
    name: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sources(monkeypatch)
    monkeypatch.setattr("trainer.log.plot_curves", lambda *_: None)
    assert run(command(folders[name], tmp_path)) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2]
    assert all(line["grad_norm"] > 0 for line in lines[1:])
    first, last = (json.loads((tmp_path / f"held_out/step-00000{step}/run.json").read_text()) for step in (0, 2))
    assert first["status"] == last["status"] == "complete"
    assert first["model"]["id"].endswith("+0")
    assert last["model"]["id"].endswith("+2")
    wanted = {
        "trained_on": ["few train"],
        "self_verified": True,
        "updates": 2,
        "prompt_overlap": {"exact": 0, "near": 0},
    }
    assert {key: last["training"].get(key) for key in wanted} == wanted
    assert last["training"]["reward_verifier"] == "oracle"
    weights = load_file(tmp_path / "checkpoints/step-000002/weights.safetensors")
    moved = [key for key, one in weights.items() if "lora_B" in key and one.abs().max() > 0]
    assert len(moved) > len(weights) // 4, "adapters begin with a matrix of zeros"


def model_of(name: str) -> DiffusersModel:
    """A model over a pipeline in memory."""
    size = {} if name in EDITS else dict.fromkeys(("width", "height"), 64 if name == "sana" else 32)
    record = {"weights_digest": name, "adapter_digest": None, "dtype": "float32", "libraries": {}}
    pipeline = make_pipeline(name)
    pipeline.set_progress_bar_config(disable=True)
    return DiffusersModel(name, record, pipeline, size, [(32, 32)] if name in EDITS else [])


def policy_of(name: str, guidance: float = 1.0, kernel: str = "cps", low: int = 4, **more: Any) -> FlowPolicy:
    settings = TrainConfig(model="diffusers", lora_r=low, rollout_batch_size=4)
    settings = replace(settings, sampler=SamplerConfig(guidance_scale=guidance))
    guide = Guidance(guidance, 1.0, more.pop("above", 0.0), 1.0, "none")
    return flow_policy(settings, model_of(name), Sampler(4, 1.0, kernel, 0.8, Window(2, 0, 3), guide))


def rows_of(name: str, members: int = 2) -> list[tuple[Situation, int]]:
    samples = load(Few("train", name in EDITS)).samples[:2]
    return [
        (Situation(Group(0, 0, slot, sample.id), sample, sample.request), member)
        for slot, sample in enumerate(samples)
        for member in range(members)
    ]


def called(policy: FlowPolicy, name: str, row: tuple[Situation, int], guidance: float) -> torch.Tensor:
    """What the pipeline's own call draws of a row, from the same noise."""
    situation, member = row
    request, (width, height) = situation.request, policy.size_of(situation.request)
    by_name: dict[str, Any] = {"guidance_scale": guidance}
    if name.startswith("qwen"):
        by_name = {"true_cfg_scale": guidance, **({"negative_prompt": " "} if guidance > 1 else {})}
    more: dict[str, Any] = {"image": list(request.sources)} if request.sources else {}
    more |= {"kontext": {"_auto_resize": False, "max_area": width * height}}.get(name, {})
    more |= {"use_resolution_binning": False} if name == "sana" else {}
    pixels: torch.Tensor = policy.model.pipeline(
        prompt=request.prompt, width=width, height=height, num_inference_steps=4, output_type="pt",
        generator=torch.Generator().manual_seed(situation.group.noise_seed(member, INITIAL)), **by_name, **more,
    ).images  # fmt: skip
    return pixels


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("name", SIZED)
def test_with_noise_off_a_rollout_draws_what_the_pipelines_own_call_draws(
    name: str, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sources(monkeypatch)
    policy = policy_of(name, guidance, "ode")
    rows = rows_of(name)
    situation, _ = rows[3]
    drawn = policy.explore(rows)[3].drawings[0].final
    pixels = called(policy, name, rows[3], guidance)
    width, height = policy.size_of(situation.request)
    layout = policy.family.layout((width, height))
    with torch.no_grad():
        assert (policy.family.decode(drawn[None], layout) - pixels).abs().max() < 1e-4
        assert (
            policy.family.decode(policy.explore(rows)[2].drawings[0].final[None], layout) - pixels
        ).abs().max() > 1e-3


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("name", SIZED)
def test_T28_a_replay_of_every_family_gives_the_log_probabilities_of_the_rollout(
    name: str, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sources(monkeypatch)
    policy = policy_of(name, guidance, above=0.5)
    trajectories = policy.explore(rows_of(name))
    assert measure(policy, trajectories).largest <= 1e-6
    halves = [policy.explore(rows_of(name)[start : start + 2]) for start in (0, 2)]
    for one, other in zip(trajectories, [*halves[0], *halves[1]], strict=True):
        assert (one.drawings[0].final - other.drawings[0].final).abs().max() < 1e-5, "whoever is drawn beside it"


def test_prompts_are_encoded_once_for_all_runs_and_again_where_something_else_is_asked(tmp_path: Path) -> None:
    policy, rows = policy_of("sd3"), rows_of("sd3")
    first = policy.explore(rows)
    policy.replay(first, train=False)
    assert policy.embeddings.encoded == 2
    again = policy_of("sd3")
    assert torch.equal(again.explore(rows)[0].drawings[0].final, first[0].drawings[0].final)
    assert again.embeddings.encoded == 0, "read from disk"
    for file in (tmp_path / "cache").rglob("*.safetensors"):
        file.write_bytes(b"cut short")
    damaged = policy_of("sd3")
    damaged.explore(rows)
    assert damaged.embeddings.encoded == 2
    guided = policy_of("sd3", 2.0)
    guided.explore(rows)
    assert guided.embeddings.encoded == 2, "guidance reads an empty prompt as well"


def test_memory_of_encoded_prompts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of("sd3")
    asked = [(Request(text), (32, 32)) for text in ("one", "two", "three")]
    one = sum(tensor.numel() * 4 for tensor in policy.embeddings.read(asked[:1])[0].values())
    monkeypatch.setattr("trainer.embeddings.MOST", 2 * one)
    policy.embeddings.read(asked)
    assert len(policy.embeddings.known) == 2
    assert policy.embeddings.size == 2 * one


def test_encoders_visit_the_device_only_to_read_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of("flux")
    moves: list[str] = []
    for module in encoders(policy.model.pipeline):
        monkeypatch.setattr(module, "to", lambda place: moves.append(str(place)))
    policy.embeddings.device = torch.device("meta")
    policy.embeddings.read([(Request("tea"), (32, 32))] * 2)
    assert moves == ["meta", "meta", "cpu", "cpu"], "two encoders, there and back"
    policy.embeddings.read([(Request("tea"), (32, 32))])
    assert len(moves) == 4


def test_all_weights_can_be_trained_and_the_reference_stays_what_it_was() -> None:
    policy = policy_of("flux", low=0)
    trajectories = policy.explore(rows_of("flux"))
    assert len(policy.parameters()) == len(list(policy.network.parameters()))
    changed = snapshot(policy.parameters())
    with torch.no_grad():
        for one in policy.parameters().values():
            one.add_(0.01)
    assert measure(policy, trajectories).largest > 1e-4
    with policy.reference():
        assert measure(policy, trajectories).largest <= 1e-6
    assert not torch.equal(next(iter(policy.parameters().values())), next(iter(changed.values())))


def test_out_of_memory_halves_a_rollout_once_and_then_says_what_would_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, rows = policy_of("sd3"), rows_of("sd3")
    whole = policy.explore(rows)
    real, most = policy.draw, 2

    def hungry(asked: Sequence[tuple[Situation, int]]) -> Any:
        if len(asked) > most:
            raise torch.OutOfMemoryError("too large")
        return real(asked)

    monkeypatch.setattr(policy, "draw", hungry)
    again = policy.explore(rows)
    assert capsys.readouterr().err.count("from here on 2 trajectories are drawn together") == 1
    assert (again[3].drawings[0].final - whole[3].drawings[0].final).abs().max() < 1e-5
    most = 1
    with pytest.raises(ValueError, match="out of memory in a rollout of 2 picture"):
        policy.explore(rows)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["think=true"], "mode rt2i and think: false"),
        (["mode=srr"], "mode rt2i and think: false"),
        (["sampler.shift=3.0"], "the scheduler of StableDiffusion3Pipeline; leave it out"),
        (["sampler.image_guidance_scale=2.0"], "guided by sampler.guidance_scale alone"),
        (["model_args.dtype=bfloat16"], "trained with bf16: true"),
        (["model_args.call=max_sequence_length:64"], "does not follow the call's argument max_sequence_length"),
        (["model_args.width=34"], "width=34 is no multiple of"),
        (["model_args.pipeline=StableDiffusion3Img2ImgPipeline"], "cannot be trained; the pipelines that can are"),
    ],
)
def test_a_setting_that_has_no_meaning_for_a_pipeline_is_one_sentence(
    settings: list[str], told: str, folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(folders["sd3"], tmp_path)
    place = arguments.index("-a")
    given = arguments[place + 1].split(",")
    names = [setting.partition(".")[2] for setting in settings if setting.startswith("model_args")]
    kept = [one for one in given if not any(name.startswith(one.partition("=")[0] + "=") for name in names)]
    arguments[place + 1] = ",".join([*kept, *names])
    own = [one for setting in settings if not setting.startswith("model_args") for one in ("--set", setting)]
    assert run([*arguments, *own]) == 2
    assert told in capsys.readouterr().err


def test_an_edit_whose_size_nobody_names_is_refused() -> None:
    policy = policy_of("kontext")
    policy.model.buckets = []
    with pytest.raises(ValueError, match="buckets= or width= and height="):
        policy.explore(rows_of("kontext"))
    assert default_size(policy_of("sd3").model.pipeline) == (16, 16)
