"""A training run killed again and again ends as if it had never been (T32)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainer.checkpoint import find_checkpoint, read_checkpoint

KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.test_train import make
from trainer.checkpoint import find_checkpoint, read_checkpoint
from trainer.run import restore
from trainer.train import train
run = make(Path(sys.argv[1]))
run = replace(run, config=replace(run.config, max_steps=40, save_steps=1))
found = find_checkpoint(run.out / "checkpoints")
if found:
    restore(run, read_checkpoint(found))
print("ready", flush=True)
train(run)
"""


@pytest.mark.proof
def test_T32_a_run_killed_at_random_moments_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1"}

    def begin(out: Path) -> subprocess.Popen[bytes]:
        own = subprocess.Popen([sys.executable, "-c", KILLED, str(out)], env=environment, stdout=subprocess.PIPE)
        assert own.stdout is not None
        with own.stdout:
            assert own.stdout.readline() == b"ready\n"
        return own

    uninterrupted = begin(tmp_path / "whole")
    start = time.monotonic()
    assert uninterrupted.wait(timeout=600) == 0
    seconds = (time.monotonic() - start) / 40  # of an update and its checkpoint
    random, steps = torch.Generator().manual_seed(0), []
    for _ in range(20):
        own = begin(tmp_path / "killed")
        time.sleep(3.0 * seconds * float(torch.rand(1, generator=random)))
        own.send_signal(signal.SIGKILL)
        assert own.wait() == -signal.SIGKILL
        found = find_checkpoint(tmp_path / "killed" / "checkpoints")
        steps.append(0 if found is None else read_checkpoint(found).step)
    print(f"killed after updates {steps}")
    assert len(set(steps)) > 4
    assert begin(tmp_path / "killed").wait(timeout=600) == 0
    ends = [tmp_path / name / "checkpoints" / "step-000040" for name in ("whole", "killed")]
    for name in ("weights", "optimiser", "ema"):
        whole, killed = (load_file(end / f"{name}.safetensors") for end in ends)
        assert whole.keys() == killed.keys()
        assert all(torch.equal(one, killed[key]) for key, one in whole.items()), name
    streams = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "killed")]
    assert streams[0] == streams[1]
