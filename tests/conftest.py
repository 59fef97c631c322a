"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def connections_stay_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook of `--offline` stays for good in its process, so only processes of their own get one."""
    monkeypatch.setattr("harness.offline.sys", SimpleNamespace(addaudithook=lambda hook: None))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and official data files beside a checkout, if there is one."""
    folder = Path(os.environ.get("HARNESS_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference files in {folder}; name their folder in HARNESS_SHARED")
    return folder


@pytest.fixture
def official(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the benchmarks' official files, named in HARNESS_DATA."""
    monkeypatch.setenv("HARNESS_DATA", str(shared / "benchmarks"))
    return shared / "benchmarks"
