"""Weights from files: safetensors only, every fault of a file one sentence that names it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.bagel.config import read_json

TOLD = 10
"""Names told for each kind of fault."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a `.safetensors` file, or those that a `.safetensors.index.json` places in its shards."""
    if path.name.endswith(".safetensors"):
        return _read_file(path)
    if not path.name.endswith(".safetensors.index.json"):
        raise ValueError(f"{path} is neither a .safetensors file nor a .safetensors.index.json")
    weights: dict[str, Tensor] = {}
    for shard, names in _read_shards(path).items():
        found = _read_file(shard)
        _check_shard(path, shard, names, found)
        weights.update({name: found[name] for name in names})
    return weights


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of a file or of an index, from headers alone; faults as in `read_weights`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file, names in _files(path).items():
        content = _open(file, "cpu")
        shapes.update({name: tuple(content.get_slice(name).get_shape()) for name in names})
    return shapes


def read_placed(path: Path, place: Callable[[str], torch.device], dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors of a file or of an index in one type, each read onto the device of its name, one after the other."""
    weights: dict[str, Tensor] = {}
    for file, names in _files(path).items():
        opened = {device: _open(file, str(device)) for device in {place(name) for name in names}}
        weights.update({name: opened[place(name)].get_tensor(name).to(dtype) for name in names})
    return weights


def check_fit(module: nn.Module, shapes: Mapping[str, Sequence[int]], ignore: tuple[str, ...] = ()) -> None:
    """ValueError tells the names that do not fit a module; those that start with an entry of `ignore` may be absent."""
    own = module.state_dict()
    kinds = {
        "missing": [name for name in own if name not in shapes and not name.startswith(ignore)],
        "unexpected": [name for name in shapes if name not in own and not name.startswith(ignore)],
        "of another shape": [
            f"{name} {tuple(shapes[name])} instead of {tuple(tensor.shape)}"
            for name, tensor in own.items()
            if name in shapes and tuple(shapes[name]) != tuple(tensor.shape)
        ],
    }
    faults = [f"{len(names)} {kind}: {_tell(names)}" for kind, names in kinds.items() if names]
    if faults:
        raise ValueError(f"the weights do not fit the model; {'; '.join(faults)}")


def load_into(module: nn.Module, weights: Mapping[str, Tensor], ignore: tuple[str, ...] = ()) -> None:
    """Loads weights by name once all of them fit; ValueError tells those that do not, and nothing is loaded.

    Names that start with an entry of `ignore` may be missing or unexpected.
    A module on the meta device takes the tensors themselves, in their own type; any other copies them into its own.
    """
    check_fit(module, {name: tensor.shape for name, tensor in weights.items()}, ignore)
    own = module.state_dict()
    known = {name: tensor for name, tensor in weights.items() if name in own}
    parameters = dict(module.named_parameters(remove_duplicate=False))
    on_meta = any(parameter.is_meta for parameter in parameters.values())
    module.load_state_dict(known, strict=False, assign=on_meta)
    if on_meta:
        _tie_again(module, parameters, known)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex; for an index, of its own digest and those of its shards."""
    if not path.name.endswith(".safetensors.index.json"):
        return _digest_file(path)
    return digest_of([_digest_file(one) for one in (path, *_read_shards(path))])


def digest_of(digests: Sequence[str]) -> str:
    """One digest of several."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _files(path: Path) -> dict[Path, list[str]]:
    """The names of the tensors by the file that holds them."""
    if not path.name.endswith(".safetensors.index.json"):
        return {path: list(_open(path, "cpu").keys())}
    shards = _read_shards(path)
    for shard, names in shards.items():
        _check_shard(path, shard, names, _open(shard, "cpu").keys())
    return shards


def _check_shard(index: Path, shard: Path, names: Sequence[str], found: Iterable[str]) -> None:
    there = set(found)
    lacking = [name for name in names if name not in there]
    if lacking:
        raise ValueError(f"{shard} lacks tensors that {index.name} places there: {_tell(lacking)}")


def _open(path: Path, device: str) -> Any:
    return _guarded(path, lambda: safe_open(path, "pt", device=device))


def _read_file(path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = _guarded(path, lambda: load_file(path))
    return found


def _guarded(path: Path, read: Callable[[], Any]) -> Any:
    """What a library reads from a file; every fault of the file is one sentence."""
    try:
        return read()
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except SafetensorError as error:
        raise ValueError(f"{path} is cut short, damaged or no safetensors file at all ({error})") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _read_shards(index: Path) -> dict[Path, list[str]]:
    """Names by the file beside the index that holds them, in the files' order."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
        raise ValueError(f"{index} has no weight_map from tensors to files")
    shards: dict[Path, list[str]] = {}
    for name, shard in sorted(places.items(), key=lambda place: place[1]):
        if Path(shard).name != shard:
            raise ValueError(f"{index} names a file outside its own folder: {shard!r}")
        shards.setdefault(index.parent / shard, []).append(name)
    return shards


def _tie_again(module: nn.Module, before: Mapping[str, nn.Parameter], loaded: Iterable[str]) -> None:
    """Names that shared one parameter `before` share the one that was loaded for them."""
    fresh = {id(before[name]): module.get_parameter(name) for name in loaded if name in before}
    for name, parameter in before.items():
        if id(parameter) in fresh:
            owner, _, leaf = name.rpartition(".")
            module.get_submodule(owner).register_parameter(leaf, fresh[id(parameter)])


def _digest_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _tell(names: list[str]) -> str:
    more = len(names) - TOLD
    return ", ".join(names[:TOLD]) + (f" and {more} more" if more > 0 else "")
