"""Weights from disk: whole files load, every other one is refused in a sentence that names it."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.bagel.checkpoint import digest, load_into, read_weights


@pytest.fixture
def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(2, 3, generator=generator), "bias": torch.randn(2, generator=generator)}


@pytest.fixture
def file(tmp_path: Path, weights: dict[str, Tensor]) -> Path:
    save_file(weights, tmp_path / "ema.safetensors")
    return tmp_path / "ema.safetensors"


@pytest.fixture
def index(tmp_path: Path, weights: dict[str, Tensor]) -> Path:
    shards = {name: f"{name}.safetensors" for name in weights}
    for name, shard in shards.items():
        save_file({name: weights[name]}, tmp_path / shard)
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    return path


def test_a_file_and_its_shards_hold_the_same_tensors(file: Path, index: Path, weights: dict[str, Tensor]) -> None:
    for path in (file, index):
        found = read_weights(path)
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00" * 5, b"\xff" * 200, b"\x02\x00\x00\x00\x00\x00\x00\x00[]", pickle.dumps({"weight": [1.0]})],
    ids=["empty", "short", "noise", "no header", "pickle"],
)
def test_what_is_not_safetensors_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.safetensors is cut short, damaged or no safetensors file"):
        read_weights(path)


@pytest.mark.parametrize("left_out", [1, 20, 60])
def test_a_truncated_file_is_refused_by_name(file: Path, left_out: int) -> None:
    file.write_bytes(file.read_bytes()[:-left_out])
    with pytest.raises(ValueError, match=r"ema\.safetensors is cut short"):
        read_weights(file)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1)}, tmp_path / "ema.safetensors")
    with pytest.raises(ValueError, match="no safetensors file at all"):
        read_weights(tmp_path / "ema.safetensors")
    (tmp_path / "ema.safetensors").rename(tmp_path / "ema.pt")
    with pytest.raises(ValueError, match=r"ema\.pt is neither a \.safetensors file"):
        read_weights(tmp_path / "ema.pt")


@pytest.mark.parametrize("name", ["ema.safetensors", "model.safetensors.index.json"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    for read in (read_weights, digest):
        with pytest.raises(ValueError, match=f"{name} does not exist"):
            read(tmp_path / name)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ema.safetensors").mkdir()
    for read in (read_weights, digest):
        with pytest.raises(ValueError, match=r"ema\.safetensors cannot be read"):
            read(tmp_path / "ema.safetensors")


def test_a_shard_that_is_not_there_is_named(index: Path) -> None:
    (index.parent / "bias.safetensors").unlink()
    with pytest.raises(ValueError, match=r"bias\.safetensors does not exist"):
        read_weights(index)


def test_a_tensor_that_its_shard_does_not_hold_is_named(index: Path) -> None:
    index.write_text(json.dumps({"weight_map": {"weight": "weight.safetensors", "other": "weight.safetensors"}}))
    with pytest.raises(ValueError, match=r"weight\.safetensors lacks tensors .* places there: other"):
        read_weights(index)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": 3}', '{"weight_map": {"weight": 3}}'])
def test_an_index_without_a_map_is_refused(index: Path, content: str) -> None:
    index.write_text(content)
    with pytest.raises(ValueError, match="has no weight_map"):
        read_weights(index)


def test_weights_arrive_in_the_module_in_its_own_type(weights: dict[str, Tensor]) -> None:
    module = nn.Linear(3, 2).bfloat16()
    load_into(module, weights)
    assert torch.equal(module.weight, weights["weight"].bfloat16())


def test_a_module_without_memory_takes_the_tensors_themselves(weights: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        module = nn.Linear(3, 2)
    load_into(module, weights)
    assert module.weight.data_ptr() == weights["weight"].data_ptr()
    assert module.weight.requires_grad


def test_missing_unexpected_and_reshaped_names_are_told_and_nothing_is_loaded(weights: dict[str, Tensor]) -> None:
    module = nn.Linear(3, 2)
    before = module.weight.clone()
    with pytest.raises(ValueError, match=r"1 missing: bias; 1 unexpected: scale") as caught:
        load_into(module, {"weight": weights["weight"].T, "scale": weights["bias"]})
    assert "1 of another shape: weight (3, 2) instead of (2, 3)" in str(caught.value)
    assert torch.equal(module.weight, before)


def test_at_most_ten_names_of_a_fault_are_told(weights: dict[str, Tensor]) -> None:
    more = {f"extra.{number:02}": weights["bias"] for number in range(13)}
    with pytest.raises(ValueError, match=r"13 unexpected: extra\.00, .*extra\.09 and 3 more$"):
        load_into(nn.Linear(3, 2), {**weights, **more})


def test_ignored_names_may_be_missing_or_unexpected_but_load_where_both_have_them(weights: dict[str, Tensor]) -> None:
    module = nn.Linear(3, 2)
    load_into(
        module, {"bias": weights["bias"], "rotary.frequency": weights["bias"]}, ignore=("rotary.", "weight", "bias")
    )
    assert torch.equal(module.bias, weights["bias"])


def test_the_digest_of_a_file_is_its_sha256(file: Path) -> None:
    assert digest(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_digest_of_shards_covers_their_content(index: Path, weights: dict[str, Tensor]) -> None:
    before = digest(index)
    save_file({"bias": weights["bias"] + 1}, index.parent / "bias.safetensors")
    assert digest(index) != before


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tied_weights_stay_tied(weights: dict[str, Tensor], device: str) -> None:
    with torch.device(device):
        module = nn.ModuleDict({"first": nn.Linear(3, 2, bias=False), "second": nn.Linear(3, 2, bias=False)})
        module["second"].weight = module["first"].weight
    load_into(module, {"first.weight": weights["weight"]}, ignore=("second.",))
    assert module["second"].weight is module["first"].weight
    assert torch.equal(module["second"].weight, weights["weight"])
