"""Recipes: YAML files and `--set a.b=value` become one checked configuration."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from harness.arguments import fill, refuse_secrets
from tasks.registry import unknown
from trainer.train_config import TrainConfig

NAMED = {"task": "task_args", "model": "model_args", "verifier": "verifier_args"}
"""What is named, and where its arguments stand."""


def read_recipe(
    files: Sequence[Path], settings: Sequence[str], named: Mapping[str, Any] = MappingProxyType({})
) -> TrainConfig:
    """The configuration of some files, later ones over earlier ones, of flags over these, of settings over all."""
    content: dict[str, Any] = {}
    for file in files:
        merge(content, read_file(file), str(file))
    merge(content, named, "the command line")
    for setting in settings:
        merge(content, read_setting(setting), "--set")
    refuse_secrets("", content)
    config: TrainConfig = build_config(TrainConfig, content, "the recipe")
    return config


def read_file(file: Path) -> dict[str, Any]:
    """The content of one YAML file."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the recipe {file} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"the recipe {file} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"the recipe {file} holds no names and values")
    return content


def read_setting(setting: str) -> dict[str, Any]:
    """`a.b=value` as nested names."""
    name, sign, value = setting.partition("=")
    if not sign or not name.strip():
        raise ValueError(f"--set {setting!r} is not of the form name=value")
    try:
        content: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"--set {setting!r} has a value that is not YAML") from None
    for part in reversed(name.strip().split(".")):
        content = {part: content}
    return dict(content)


def merge(content: dict[str, Any], more: Mapping[str, Any], place: str) -> None:
    """Adds `more`, section by section; ValueError for a name that no section has."""
    check_names(TrainConfig, more, place, "")
    forget(content, more)
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(content.get(name), dict):
            content[name] = deep(content[name], value)
        else:
            content[name] = value


def forget(content: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Arguments belong to the task, model or verifier that they were given for: a new one begins without any."""
    for name, arguments in NAMED.items():
        if name in more and more[name] != content.get(name, more[name]):
            content.pop(arguments, None)


def deep(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another."""
    both = dict(old)
    for name, value in new.items():
        before = both.get(name)
        both[name] = deep(before, value) if isinstance(value, Mapping) and isinstance(before, Mapping) else value
    return both


def check_names(kind: type[Any], content: Mapping[str, Any], place: str, above: str) -> None:
    """ValueError names the nearest key for one that does not exist."""
    hints = typing.get_type_hints(kind)
    known = [one.name for one in fields(kind)]
    for name, value in content.items():
        if name not in known:
            raise ValueError(unknown(f"key of {place}{f' in {above}' if above else ''}", str(name), known))
        if is_dataclass(hints[name]):
            if not isinstance(value, Mapping):
                raise ValueError(f"{place}: {name} is a section with names and values, not {value!r}")
            check_names(typing.cast(type[Any], hints[name]), value, place, str(name))


def build_config(kind: type[Any], content: Mapping[str, Any], owner: str) -> Any:
    """A configuration with its sections, each value of its type."""
    hints = typing.get_type_hints(kind)
    plain: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for name, value in content.items():
        if is_dataclass(hints[name]):
            nested[name] = build_config(typing.cast(type[Any], hints[name]), value, f"{owner}, {name}")
        elif typing.get_origin(hints[name]) is collections.abc.Mapping:
            if not isinstance(value, Mapping):
                raise ValueError(f"{owner}: {name} holds names and values, not {value!r}")
            nested[name] = dict(value)
        else:
            plain[name] = value
    made = fill(kind, plain, owner)
    values = {one.name: getattr(made, one.name) for one in fields(kind)}
    return kind(**{**values, **nested})


def resolved(config: TrainConfig) -> dict[str, Any]:
    """The whole configuration, ready for YAML or JSON."""
    found: dict[str, Any] = _plain(asdict(config))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
