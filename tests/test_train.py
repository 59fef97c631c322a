"""Whole training runs of a model of a few thousand parameters: resume, processes, signals, failures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from harness.ending import NumericAbort, Outage, Preempted
from reward.verdict import Score
from tasks.sample import Generation
from tests.test_trajectory import SAMPLES, policy_of
from trainer.build import put_together
from trainer.checkpoint import find_checkpoint, read_checkpoint
from trainer.collect import Ground
from trainer.held_out import hacked
from trainer.launch import Launch, buckets
from trainer.log import Log
from trainer.policy_unified import UnifiedPolicy
from trainer.run import Run, restore
from trainer.train import train
from trainer.train_config import TrainConfig


class Red:
    """A reward of our own: how red the picture is; unscored where it is told to fail."""

    id = "red"
    record: dict[str, str] = {}  # noqa: RUF012 - the protocol's field
    range = (0.0, 1.0)

    def __init__(self, fail: float = 0.0, level: bool = False) -> None:
        self.fail, self.level = fail, level

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        found = []
        for number, one in enumerate(generations):
            if one.response is None or number < self.fail * len(generations):
                found.append(Score(None, status="parse_error", error="told to fail"))
                continue
            red, green, _ = (sum(channel.tobytes()) / 256 / 255 for channel in one.response.image.split())
            found.append(Score(0.5 if self.level else red / (red + green + 1e-6)))
        return found


def make(out: Path, reward: Red | None = None, policy: UnifiedPolicy | None = None, **changes: object) -> Run:
    settings = replace(
        TrainConfig(), output_dir=out, max_steps=6, prompts_per_step=2, num_generations=4, rollout_batch_size=8,
        learning_rate=1e-3, lora_r=0, save_steps=3, sample_steps=0, ema_every=2,
    )  # fmt: skip
    settings = replace(settings, **changes)
    policy = policy or policy_of()
    accelerator = Accelerator(cpu=True)
    out.mkdir(parents=True, exist_ok=True)
    ground = Ground(policy, {one.id: one for one in SAMPLES}, reward or Red(), Launch(accelerator), settings)
    log = Log(out, settings.max_steps, accelerator, (), quiet=True)
    return put_together(settings, ground, log)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in run.policy.parameters().items()}


def go_on(out: Path) -> Run:
    run = make(out)
    found = find_checkpoint(out / "checkpoints")
    assert found is not None
    restore(run, read_checkpoint(found))
    return run


def test_T32_three_updates_and_three_after_a_resume_are_six_bit_for_bit(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    train(whole)
    calls = iter([False, False, True])
    with pytest.raises(Preempted):
        train(make(tmp_path / "part"), lambda: next(calls))
    # a run killed while saving leaves a folder without a manifest, and a line beyond the checkpoint
    (tmp_path / "part" / "checkpoints" / "step-000005").mkdir()
    with (tmp_path / "part" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "reward": 0.1}\n{"step"')
    part = go_on(tmp_path / "part")
    assert part.progress.step == 3
    train(part)
    for name, one in weights(whole).items():
        assert torch.equal(one, weights(part)[name]), name
    assert all(torch.equal(one, part.averages.ema[name]) for name, one in whole.averages.ema.items())
    streams = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "part")]
    assert streams[0] == streams[1]


def test_T32_a_damaged_checkpoint_and_one_of_another_reward_are_refused_in_one_sentence(tmp_path: Path) -> None:
    train(make(tmp_path))
    path = find_checkpoint(tmp_path / "checkpoints")
    assert path is not None
    other = make(tmp_path, Red())
    other.ground.reward.id = "blue"
    with pytest.raises(ValueError, match="reward id 'red', this run 'blue'"):
        restore(other, read_checkpoint(path))
    changed = make(tmp_path)
    changed = replace(changed, config=replace(changed.config, learning_rate=1.0))
    with pytest.raises(ValueError, match=r"other settings \(learning_rate\)"):
        restore(changed, read_checkpoint(path))
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps(state) + " ")
    with pytest.raises(ValueError, match=r"state\.json is not what was saved"):
        read_checkpoint(path)


def test_the_reward_of_a_small_policy_rises(tmp_path: Path) -> None:
    run = make(tmp_path)
    object.__setattr__(run, "config", replace(run.config, max_steps=25))
    train(run)
    lines = [json.loads(line)["reward"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum(lines[-5:]) > sum(lines[:5]) + 0.05


def test_T05_an_update_whose_rewards_are_all_equal_takes_no_step(tmp_path: Path) -> None:
    run = make(tmp_path, Red(level=True))
    before = weights(run)
    train(run)
    assert all(torch.equal(one, before[name]) for name, one in weights(run).items())
    assert run.progress.skipped == 6


def test_too_many_unscored_pictures_save_and_stop(tmp_path: Path) -> None:
    with pytest.raises(Outage, match="have no score"):
        train(make(tmp_path, Red(fail=0.5)))
    assert find_checkpoint(tmp_path / "checkpoints") is not None


def test_T36_a_loss_that_is_no_number_is_skipped_and_ends_training_when_it_stays(tmp_path: Path) -> None:
    run = make(tmp_path)
    before = weights(run)
    for parameter in run.policy.parameters().values():
        parameter.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(NumericAbort, match="4 updates in a row"):
        train(run)
    assert all(torch.equal(one, before[name]) for name, one in weights(run).items())


SCRIPT = """
import sys
from pathlib import Path
from tests.test_train import make
from trainer.train import train
run = make(Path(sys.argv[1]))
if run.launch.rank == 1 and len(sys.argv) > 2:
    once = iter([float("nan")])
    for parameter in list(run.policy.parameters().values())[:1]:
        parameter.register_hook(lambda gradient: gradient * next(once, 1.0))
train(run)
"""


SHARDS = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_RESHARD_AFTER_FORWARD": "false"}
"""What accelerate sets for recipes/accelerate/fsdp2.yaml."""


def together(command: list[str], processes: int, **more: str) -> None:
    """One command in several processes of a launch on the CPU."""
    port = str(29500 + os.getpid() % 500)
    places = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **more}
    environment = {**os.environ, "PYTHONPATH": ".", "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", **places}
    started = [
        subprocess.Popen([sys.executable, *command], env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(processes)
    ]
    assert [one.wait(timeout=300) for one in started] == [0] * processes


def launch(out: Path, processes: int, *more: str, **shards: str) -> dict[str, torch.Tensor]:
    together(["-c", SCRIPT, str(out), *more], processes, **shards)
    found = find_checkpoint(out / "checkpoints")
    assert found is not None
    return load_file(found / "weights.safetensors")


@pytest.mark.parametrize(("size", "wanted"), [(1, [1, 1, 1, 1]), (5, [2, 1, 1]), (6, [3, 1]), (100, [4])])
def test_gradients_are_exchanged_in_their_order_in_buckets(
    monkeypatch: pytest.MonkeyPatch, size: int, wanted: list[int]
) -> None:
    parameters = [torch.nn.Parameter(torch.zeros(numbers)) for numbers in (2, 3, 1, 7)]
    monkeypatch.setattr("trainer.launch.BUCKET", size)
    found = list(buckets(parameters))
    assert [len(one) for one in found] == wanted
    assert [one for bucket in found for one in bucket] == parameters


def test_T25_two_processes_make_the_update_of_one(tmp_path: Path) -> None:
    one, two = launch(tmp_path / "one", 1), launch(tmp_path / "two", 2)
    assert max(float((value - two[name]).abs().max()) for name, value in one.items()) < 1e-6


@pytest.mark.proof
@pytest.mark.parametrize("shards", [{}, SHARDS], ids=["whole", "split"])
def test_T36_when_one_of_two_processes_meets_no_number_both_skip(tmp_path: Path, shards: dict[str, str]) -> None:
    launch(tmp_path, 2, "nan", **shards)
    state = json.loads(next((tmp_path / "checkpoints").glob("step-000006/state.json")).read_text())
    assert state["version"] == 5  # one of six updates was skipped, in both


def test_training_stops_where_the_reward_rises_and_the_held_out_score_falls() -> None:
    history = [{"reward": 0.1 * step, "held_out": 0.9 - 0.1 * step} for step in range(4)]
    assert hacked(history, 3)
    assert not hacked(history[1:], 3)
    assert not hacked([*history[:2], {"reward": 0.15, "held_out": 0.95}, history[3]], 3)
    assert not hacked(history, 0)
