"""A finished run is sealed: what was changed by hand is told and not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.ending import Damaged
from harness.main import run
from harness.stored_run import open_run, open_runs

FAST = ["eval", "--model", "tests.painter", "--verbosity", "quiet", "--limit", "2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two prompts."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    assert run([*FAST, "-o", str(folder)]) == 0
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """Its JSON files, to be edited."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in finished.glob("*.json*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_finished_run_is_read_back_with_what_was_asked(copied: Path) -> None:
    stored = open_run(copied)
    assert stored.name == "scenes@1 evaluation"
    assert len(stored.rows()) == 8
    sample, _, question = next(iter(stored.verdicts()))
    asked = stored.questions()[sample][question]
    assert asked["text"].endswith("?")
    assert set(asked["worth"]) == {"yes"}


@pytest.mark.parametrize("name", ["samples.jsonl", "verdicts.jsonl", "results.json", "questions.jsonl"])
def test_a_file_edited_by_hand_is_refused_by_name(copied: Path, name: str) -> None:
    path = copied / name
    path.write_text(path.read_text().replace("scenes-0001", "scenes-0002").replace("0.", "1."))
    with pytest.raises(Damaged, match=f"{name} was changed after the run"):
        open_run(copied)


def test_a_record_edited_by_hand_is_refused(copied: Path) -> None:
    path = copied / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "limited": False}))
    with pytest.raises(Damaged, match=r"run\.json was changed after the run"):
        open_run(copied)


def test_a_file_that_is_gone_is_told(copied: Path) -> None:
    (copied / "verdicts.jsonl").unlink()
    with pytest.raises(Damaged, match=r"verdicts\.jsonl is missing"):
        open_run(copied)


def test_a_run_that_was_not_finished_is_told(copied: Path) -> None:
    path = copied / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "running"}))
    with pytest.raises(ValueError, match="is not finished"):
        open_run(copied)


def test_a_newer_schema_is_told(copied: Path) -> None:
    path = copied / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 9}))
    with pytest.raises(ValueError, match="schema version 9; this image-harness reads up to 1"):
        open_run(copied)


def test_a_wrong_name_of_a_folder_names_the_runs_nearby(copied: Path) -> None:
    with pytest.raises(ValueError, match=r"did you mean '.*copy'"):
        open_runs(copied.parent / "cpoy")


def test_a_run_that_goes_on_is_sealed_again(finished: Path) -> None:
    path = finished / "run.json"
    before = json.loads(path.read_text())
    assert run([*FAST, "-o", str(finished)]) == 0
    assert json.loads(path.read_text())["files"] == before["files"]
    open_run(finished)


def test_a_folder_without_a_run_is_told_as_it_is_and_a_misspelt_one_with_its_neighbours(finished: Path) -> None:
    empty = finished.parent / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"empty is no run folder: it has no run\.json"):
        open_run(empty)
    with pytest.raises(ValueError, match=r"no run folder named '.*/onn'; did you mean '.*/one'"):
        open_run(finished.parent / "onn")
