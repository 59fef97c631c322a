"""Training in shards: two processes that split masters, moments and slow copies make the updates of one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests import courses
from tests.test_train import SHARDS, together


def in_shards(*folders: Path) -> None:
    together(["-m", "tests.courses", *map(str, folders)], 2, **SHARDS)


def last(folder: Path) -> Path:
    return max((folder / "checkpoints").glob("step-*"))


def files(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {path.stem: load_file(path) for path in last(folder).glob("*.safetensors")}


def farthest(one: Path, two: Path) -> float:
    """The largest difference between the weights, moments and slow copies of two runs."""
    first, second = files(one), files(two)
    assert first.keys() == second.keys()
    return max(
        float((value.float() - second[file][name].float()).abs().max())
        for file, tensors in first.items()
        for name, value in tensors.items()
        if file != "generator"
    )


def check_halved(folder: Path) -> None:
    """Each process holds half of all that is split, and computes with what both together have."""
    for rank in range(2):
        note = json.loads((folder / f"process-{rank}.json").read_text())
        assert note["published"]
        held = note["held"]
        assert held["masters"] == held["parameters"] / 2
        assert held["moments"] == held["parameters"]
        assert held["averages"] + held["base"] == note["copies"] * held["masters"]


def compare(tmp_path: Path, names: list[str]) -> None:
    in_shards(*(tmp_path / "two" / name for name in names))
    for name in names:
        courses.main([tmp_path / "one" / name])
        assert farthest(tmp_path / "one" / name, tmp_path / "two" / name) < 1e-6, name
        check_halved(tmp_path / "two" / name)


def test_T25_two_processes_in_shards_make_the_updates_of_one(tmp_path: Path) -> None:
    compare(tmp_path, ["uneven"])


@pytest.mark.proof
def test_T25_in_shards_references_slow_copies_texts_and_adapters_train_as_in_one_process(tmp_path: Path) -> None:
    compare(tmp_path, ["whole", "anchored", "slow", "thinking", "adapters"])


@pytest.mark.proof
def test_T32_a_run_in_shards_goes_on_bit_for_bit_and_opens_in_any_number_of_processes(tmp_path: Path) -> None:
    def part(source: Path, name: str) -> Path:
        """A folder with the first half of another run."""
        target = tmp_path / name / source.name
        shutil.copytree(source / "checkpoints" / "step-000002", target / "checkpoints" / "step-000002")
        return target

    split, alone = tmp_path / "two" / "slow", tmp_path / "one" / "slow"
    in_shards(split)
    courses.main([alone])
    again, gathered, scattered = part(split, "again"), part(split, "gathered"), part(alone, "scattered")
    in_shards(again, scattered)
    courses.main([gathered])
    assert farthest(split, again) == 0.0
    assert farthest(alone, gathered) < 1e-6
    assert farthest(alone, scattered) < 1e-6


@pytest.mark.proof
def test_T31_in_shards_weights_in_half_precision_have_masters_in_float32(tmp_path: Path) -> None:
    half = tmp_path / "half"
    in_shards(half)
    check_halved(half)
    weights = files(half)["weights"]
    assert {one.dtype for one in weights.values()} == {torch.float32}
    moved = [(one - one.to(torch.bfloat16).float()).abs().max() for one in weights.values()]
    assert max(moved) > 0.0  # steps of 1e-5 that bfloat16 could not have taken
