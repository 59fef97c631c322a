"""What a run ran on: the code, Python, the machine, the packages."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.process import place_in_launch

PACKAGES = (
    "image-harness",
    "torch",
    "numpy",
    "pillow",
    "scipy",
    "tokenizers",
    "safetensors",
    "transformers",
    "diffusers",
)


def code_state() -> dict[str, Any]:
    """Version of the code, and its commit where it runs from a checkout."""
    root = Path(__file__).parent.parent
    state: dict[str, Any] = {"version": version_of("image-harness"), "git": None, "dirty": None, "lock_sha256": None}
    lock = root / "constraints.txt"
    if lock.exists():
        state["lock_sha256"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    if (root / ".git").exists():
        for name, command in (("git", ["rev-parse", "HEAD"]), ("dirty", ["status", "--porcelain"])):
            try:
                done = subprocess.run(  # noqa: S603 - a fixed command
                    ["git", "-C", str(root), *command],  # noqa: S607 - whatever git the user has
                    capture_output=True, text=True, timeout=10, check=True,
                )  # fmt: skip
            except (OSError, subprocess.SubprocessError):
                return state
            state[name] = bool(done.stdout.strip()) if name == "dirty" else done.stdout.strip()
    return state


def version_of(package: str) -> str | None:
    """An installed package's version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def environment(device: str) -> dict[str, Any]:
    """Python, machine, packages, device."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {package: version_of(package) for package in PACKAGES},
        "device": device,
        "processes": place_in_launch()[1],
    }
