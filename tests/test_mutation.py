"""A sign turned round in an advantage, a clip or a divergence must make some test fail (method.md T40)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MUTATIONS = [
    ("trainer/advantage.py", "else own - own.mean()", "else own.mean() - own", "tests/test_advantage.py"),
    (
        "trainer/loss.py",
        "ratios.clamp(1.0 - low, 1.0 + high)",
        "ratios.clamp(1.0 + low, 1.0 - high)",
        "tests/test_loss.py",
    ),
    ("trainer/divergence.py", "change.exp() - change - 1.0", "change.exp() + change - 1.0", "tests/test_divergence.py"),
]


@pytest.mark.proof
@pytest.mark.parametrize(("file", "right", "wrong", "tests"), MUTATIONS, ids=["advantage", "clip", "divergence"])
def test_T40_a_sign_turned_round_makes_a_test_fail(
    tmp_path: Path, file: str, right: str, wrong: str, tests: str
) -> None:
    for folder in ("tasks", "reward", "harness", "trainer", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    before = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert before.returncode == 0, before.stdout.decode()
    text = (tmp_path / file).read_text()
    assert text.count(right) >= 1
    (tmp_path / file).write_text(text.replace(right, wrong))
    after = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert after.returncode == 1
