"""Defaults of a command from a YAML file and the environment: flag, then environment, then file, then default."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from harness.arguments import fill, parse_arguments
from tasks.registry import unknown

OTHERS = (
    "HARNESS_CONFIG",
    "HARNESS_SHARED",
    "HARNESS_DATA",
    "HARNESS_ACCEPT_LICENCE",
    "HARNESS_TOKEN",
    "HARNESS_TOKEN_FILE",
)
"""Variables of ours that are not flags."""


def read_settings(kind: type[Any], arguments: list[str]) -> tuple[Any, list[str]]:
    """The command's configuration before its flags, and the flags without `--config FILE` and `--set NAME=VALUE`."""
    rest: list[str] = []
    files = [os.environ["HARNESS_CONFIG"]] if "HARNESS_CONFIG" in os.environ else []
    changes: list[str] = []
    lists = {"--config": files, "-C": files, "--set": changes}
    left = iter(arguments)
    for one in left:
        name, sign, value = one.partition("=")
        if name in lists:
            lists[name].append(value if sign else next(left, ""))
            if not lists[name][-1] or lists[name][-1].startswith("-"):
                raise ValueError(f"{name} needs a {'name=value' if name == '--set' else 'file'} after it")
        else:
            rest.append(one)
    found: dict[str, Any] = {}
    for file in files:
        found |= read_yaml(Path(file), kind)
    found |= read_environment(kind)
    for change in changes:
        found = changed(found, change, kind)
    return fill(kind, found, "the configuration"), rest


def with_value(arguments: Sequence[str], names: Sequence[str], value: str) -> list[str]:
    """The arguments, with the value put after each of these flags that stands without one."""
    found: list[str] = []
    for one, after in zip(arguments, [*arguments[1:], "-"], strict=True):
        found += [one, value] if one in names and after.startswith("-") else [one]
    return found


def changed(found: Mapping[str, Any], change: str, kind: type[Any]) -> dict[str, Any]:
    """The configuration with one value put in: `seed=3`, or `model_args.guidance=2` inside what is there already."""
    place, sign, value = change.partition("=")
    name, *inner = place.strip().replace("-", "_").split(".")
    if not sign:
        raise ValueError(f"--set takes name=value or name.inner=value, not {change!r}")
    known = [one.name for one in fields(kind)]
    if name not in known:
        raise ValueError(unknown("key of --set", name, known))
    if not inner:
        return {**found, name: value}
    last = whole = dict(found)
    for one in (name, *inner[:-1]):
        last[one] = inside(one, last.get(one, {}))
        last = last[one]
    last[inner[-1]] = value
    return whole


def inside(name: str, value: Any) -> dict[str, Any]:
    """The names and values that a value holds; ValueError for one that holds none."""
    if isinstance(value, Mapping):
        return dict(value)
    try:
        return parse_arguments(str(value))
    except ValueError:
        raise ValueError(f"--set goes into {name!r}, which is {value!r} and holds no names and values") from None


def read_yaml(file: Path, kind: type[Any]) -> dict[str, Any]:
    """The keys of a YAML file, dashes and underscores alike; ValueError for one that is no flag."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the configuration file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"the configuration file {file} is not UTF-8: {error}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"the configuration file {file} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"the configuration file {file} holds no names and values")
    known = [one.name for one in fields(kind)]
    found = {str(name).replace("-", "_"): value for name, value in content.items()}
    for name in found:
        if name not in known:
            raise ValueError(unknown(f"key of {file}", name, known))
    return found


def read_environment(kind: type[Any]) -> dict[str, str]:
    """HARNESS_<NAME> of every flag; ValueError for a HARNESS_ variable that is no flag."""
    known = {f"HARNESS_{one.name.upper()}": one.name for one in fields(kind)}
    found = {}
    for name, value in os.environ.items():
        if name in known:
            found[known[name]] = value
        elif name.startswith("HARNESS_") and name not in OTHERS:
            raise ValueError(unknown("environment variable", name, [*known, *OTHERS]))
    return found
