"""The task that docs/extend.md shows runs from anybody's folder, by its dotted name alone."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from harness.main import run

SHOWN = Path(__file__).parent.parent / "docs" / "own_task.py"


def test_the_task_of_the_docs_runs_by_name_in_forty_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(SHOWN.read_text().splitlines()) <= 40
    (tmp_path / "mine").mkdir()
    shutil.copy(SHOWN, tmp_path / "mine/lights.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert run(["validate", "mine.lights"]) == 0
    assert "sample 'red-one' scored end to end: 1 with the best answers, 0 with the worst" in capsys.readouterr().out
    flags = ["--task", "mine.lights", "--task-args", "count=2", "--model", "tests.painter", "-v", "quiet", "-o", "out"]
    assert run(["eval", *flags]) == 0
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert (record["task"]["name"], record["config"]["task"]) == ("lights", "mine.lights")
    assert [len(record["task"]["samples"]), record["task"]["images_per_sample"]] == [6, 2]
    assert run(["eval", *flags, "--task-args", "count=9"]) == 2
    assert "count is a number from 1 to 5, not 9" in capsys.readouterr().err
