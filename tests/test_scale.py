"""Processes started by accelerate's launcher: together they give the rows, and make the updates, that one makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from harness.main import run

ROOT = Path(__file__).parent.parent
VARYING = ("seconds", "time")


def rows(folder: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in VARYING} for row in found]


def launch(*arguments: str, how: str = "cpu") -> None:
    """One command line in two processes, through a configuration of accelerate that ships."""
    config = ROOT / "recipes" / "accelerate" / f"{how}.yaml"
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    port = ["--num_processes", "2", "--main_process_port", str(29500 + os.getpid() % 500)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launcher, *port, "-m", "harness", *arguments], check=True, cwd=ROOT, env=environment, timeout=500)


@pytest.mark.proof
def test_two_processes_of_a_launch_give_the_rows_of_one(tmp_path: Path) -> None:
    arguments = ["eval", "--model", "tests.painter", "--limit", "3", "-v", "quiet", "-o"]
    assert run([*arguments, str(tmp_path / "one")]) == 0
    launch(*arguments, str(tmp_path / "two"))
    about = json.loads((tmp_path / "two" / "run.json").read_text())
    assert about["environment"]["processes"] == 2
    assert rows(tmp_path / "two") == rows(tmp_path / "one")


UPDATES = ["train", "--config", str(ROOT / "recipes" / "tiny_rt2i.yaml"), "-v", "quiet"]
for setting in (
    "max_steps=2", "prompts_per_step=2", "num_generations=2", "eval_steps=1", "sample_steps=0", "ema_decay=0.5",
    "ema_every=1", "held_out.use_ema=true", "held_out.limit=6",
):  # fmt: skip
    UPDATES += ["--set", setting]


def held_out(folder: Path) -> list[float]:
    return [one["held_out"] for one in json.loads((folder / "training.json").read_text())["held_out"]]


@pytest.mark.proof
@pytest.mark.parametrize("how", ["cpu", "fsdp2"])
def test_T25_two_processes_of_a_launch_make_the_updates_of_one(how: str, tmp_path: Path) -> None:
    assert run([*UPDATES, "-o", str(tmp_path / "one")]) == 0
    launch(*UPDATES, "-o", str(tmp_path / "two"), how=how)
    one, two = (tmp_path / name / "checkpoints" / "step-000002" for name in ("one", "two"))
    assert json.loads((two / "manifest.json").read_text())["processes"] == 2
    scores = [held_out(tmp_path / name) for name in ("one", "two")]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)  # of the averaged weights
    assert len(scores[0]) == 3
    alone, together = load_file(one / "weights.safetensors"), load_file(two / "weights.safetensors")
    assert max(float((one - together[name]).abs().max()) for name, one in alone.items()) < 1e-6
