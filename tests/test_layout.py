"""The shape of the code: who may import whom, how long things may be, what may never be written."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARROWS = {
    "tasks": set(),
    "reward": {"tasks"},
    "harness": {"tasks", "reward"},
    "trainer": {"tasks", "reward", "harness"},
    "leaderboards": {"tasks", "reward", "harness"},
}
SOURCES = [path for folder in ARROWS for path in sorted((ROOT / folder).rglob("*.py"))]
LONG_FILES: dict[str, str] = {}
"""Files over 250 lines, each with its reason."""
LONG_FUNCTIONS: dict[str, str] = {}
"""Functions over 40 lines, each with its reason."""
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "types", "misc"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_folders_point_one_way(path: Path) -> None:
    folder = relative(path).split("/")[0]
    ours = {name.split(".")[0] for name in imported(ast.parse(path.read_text()))} & set(ARROWS)
    assert ours - {folder} <= ARROWS[folder]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    if relative(path) not in LONG_FILES:
        assert text.count("\n") <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 40 or f"{relative(path)}:{node.name}" in LONG_FUNCTIONS, f"{node.name} has {length} lines"


def test_long_files_and_functions_named_as_exceptions_still_exist_and_are_long() -> None:
    for name in LONG_FILES:
        assert (ROOT / name).read_text().count("\n") > 250


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=relative)
def test_a_package_file_holds_one_docstring_and_nothing_else(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_module_says_what_it_is_for_and_has_a_noun_for_a_name(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_public_functions_and_classes_have_docstrings(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    classes = [node for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in [*body, *(member for one in classes for member in one.body)]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_pickle_no_bound_device_and_no_remote_code(path: Path) -> None:
    text = path.read_text()
    for word in ("import pickle", "torch.load(", ".cuda()", "trust_remote_code=True", "hasattr("):
        assert word not in text


def test_the_packages_installed_are_the_folders_here() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {relative(path.parent).replace("/", ".") for path in SOURCES if path.name == "__init__.py"}
    assert set(listed) == found


def test_every_file_of_a_package_travels_in_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    patterns = [f"{package.replace('.', '/')}/{pattern}" for package, some in listed.items() for pattern in some]
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files", *ARROWS], capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("this is no checkout of git")
    files = [name for name in tracked.stdout.splitlines() if not name.endswith(".py")]
    assert "harness/tiny/ema.safetensors" in files
    assert [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)] == []
