"""Checkpoints of training: what a killed process leaves half written is cleared away by the next save."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.checkpoint import Checkpoint, find_checkpoint, read_checkpoint, save_checkpoint


def saved(out: Path, step: int) -> Path:
    return save_checkpoint(out, Checkpoint(step, {"weights": {"one": torch.full((3,), float(step))}}, {}), 2, 1)


def test_what_a_killed_save_left_is_cleared_by_the_next_one(tmp_path: Path) -> None:
    left = tmp_path / ".step-000004.1234.new"
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    saved(tmp_path, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-000005"]


def test_the_newest_checkpoints_are_kept_and_read_back(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        saved(tmp_path, step)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-000002", "step-000003"]
    newest = find_checkpoint(tmp_path)
    assert newest is not None
    assert read_checkpoint(newest).tensors["weights"]["one"].tolist() == [3.0, 3.0, 3.0]


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, 1)
    (path / "state.json").write_text('{"step": 9}')
    with pytest.raises(ValueError, match=r"state\.json is not what was saved"):
        read_checkpoint(path)
