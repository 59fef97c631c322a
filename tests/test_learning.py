"""The shipped model learns from its reward, and not from a reward that says nothing (T38)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.main import run

ROOT = Path(__file__).parent.parent
FEW = ["task_args={split: train, count: 6}", "prompts_per_step=6", "num_generations=8", "rollout_batch_size=48",
       "per_device_train_batch_size=48", "max_steps=16", "eval_steps=0", "sample_steps=0"]  # fmt: skip
RISE = 0.025
"""What the reward of the last eight updates must gain over that of the first four."""


def gain(out: Path, *settings: str) -> float:
    """The gain of a run over sixteen updates on six prompts, seed 0."""
    changed = [word for one in (*FEW, *settings) for word in ("--set", one)]
    command = ["train", "--config", str(ROOT / "recipes" / "tiny_rt2i.yaml"), "-v", "quiet", "-o", str(out), *changed]
    assert run(command) == 0
    rewards = [json.loads(line)["reward"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    return sum(rewards[-8:]) / 8 - sum(rewards[:4]) / 4


@pytest.mark.proof
def test_T38_the_reward_rises_within_a_minute_and_a_shuffled_reward_lifts_nothing(tmp_path: Path) -> None:
    rise, control = gain(tmp_path / "true"), gain(tmp_path / "shuffled", "advantage.shuffle_rewards=true")
    print(f"sixteen updates on six prompts: {rise:+.3f} by the reward, {control:+.3f} by the same rewards shuffled")
    assert rise > RISE
    assert control < RISE / 2
