"""Processes started by torch's launcher: together they give the rows that one gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.main import run

ROOT = Path(__file__).parent.parent
VARYING = ("seconds", "time")


def rows(folder: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in VARYING} for row in found]


@pytest.mark.proof
def test_two_processes_of_a_launch_give_the_rows_of_one(tmp_path: Path) -> None:
    arguments = ["eval", "--model", "tests.painter", "--limit", "3", "-v", "quiet", "-o"]
    assert run([*arguments, str(tmp_path / "one")]) == 0
    port = str(29500 + os.getpid() % 500)
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_port",
        port,
        "-m",
        "harness",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*launch, *arguments, str(tmp_path / "two")], check=True, cwd=ROOT, env=environment, timeout=300)
    about = json.loads((tmp_path / "two" / "run.json").read_text())
    assert about["environment"]["processes"] == 2
    assert rows(tmp_path / "two") == rows(tmp_path / "one")
