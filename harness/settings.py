"""Defaults of a command from a YAML file and the environment: flag, then environment, then file, then default."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from harness.arguments import fill
from tasks.registry import unknown

OTHERS = ("HARNESS_CONFIG", "HARNESS_SHARED", "HARNESS_DATA", "HARNESS_ACCEPT_LICENCE")
"""Variables of ours that are not flags."""


def read_settings(kind: type[Any], arguments: list[str]) -> tuple[Any, list[str]]:
    """The command's configuration before its flags, and the flags without `--config FILE`."""
    rest: list[str] = []
    files = [Path(os.environ["HARNESS_CONFIG"])] if "HARNESS_CONFIG" in os.environ else []
    left = iter(arguments)
    for one in left:
        if one in ("--config", "-C"):
            files.append(Path(next(left, "")))
        elif one.startswith("--config="):
            files.append(Path(one.partition("=")[2]))
        else:
            rest.append(one)
    found: dict[str, Any] = {}
    for file in files:
        found |= read_yaml(file, kind)
    found |= read_environment(kind)
    return fill(kind, found, "the configuration"), rest


def read_yaml(file: Path, kind: type[Any]) -> dict[str, Any]:
    """The keys of a YAML file, dashes and underscores alike; ValueError for one that is no flag."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the configuration file {file} cannot be read: {error.strerror}") from None
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
