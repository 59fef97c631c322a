"""harness validate: published tasks are sound, broken ones are named, edited runs are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.json_lines import write_json
from harness.main import run
from harness.seal import sealed
from harness.task_check import check_task
from tasks.registry import TASKS
from tasks.sample import Question
from tests.test_question_file import HEAD, ONE, written

GIVEN = {"tifa": {"split": "sample"}, "dpg": {"questions": "DSG/dsg/data/dsg-1k-anns.csv", "any_version": True}}
BROKEN: tuple[tuple[str, ...], ...] = (
    (HEAD,),
    (HEAD, "nothing"),
    (HEAD.replace("images", "image"), ONE),
    (HEAD.replace('"mean"', '"meen"'), ONE),
    (HEAD.replace("pixels", "pixel"), ONE),
    (HEAD.replace("score", "scor"), ONE),
    (HEAD.replace('"combine"', '"kind": "poll", "combine"'), ONE),
    (HEAD.replace(": 2", ": 0"), ONE),
    (HEAD, ONE.replace("two cubes", "")),
    (HEAD, ONE, ONE),
    (HEAD, ONE.replace('cubes?"', 'cubes?", "needs": ["q9"]')),
    (HEAD, ONE.replace('cubes?"', 'cubes?", "worth": {"yes": 2}')),
    (HEAD, ONE.replace('cubes?"', 'cubes?", "worth": {"maybe": 1}')),
    (HEAD, ONE.replace('"Are there cubes?"', '" "')),
)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "questions"])
def test_every_task_is_sound_with_the_official_files(official: Path, name: str) -> None:
    given = dict(GIVEN.get(name, {}))
    if "questions" in given:
        given["questions"] = str(official / str(given["questions"]))
    report = check_task(name, given)
    assert not report.faults
    assert "scored end to end" in report.facts[-1]


def test_broken_question_files_end_with_code_2_and_each_says_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for lines in BROKEN:
        path = written(tmp_path, *lines)["path"]
        assert run(["validate", path]) == 2, lines
        told.append("".join(capsys.readouterr()).replace(path, ""))
    assert len(set(told)) == len(BROKEN)
    assert not any("Traceback" in one for one in told)


def test_a_sound_file_says_what_it_asks_and_tries_one_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", written(tmp_path, HEAD, ONE)["path"]]) == 0
    said = capsys.readouterr().out
    assert "1 samples, 1 questions, 2 images a prompt" in said
    assert "sample '1' scored end to end: 1 with the best answers, 0 with the worst" in said


def test_faults_of_published_data_are_findings_and_change_nothing(
    official: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", "dsg", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sound"], found["faults"]) == (True, [])
    assert sum("the stray word" in one for one in found["findings"]) == 10
    assert run(["validate", "dsgg"]) == 2
    assert "did you mean 'dsg'" in capsys.readouterr().err


def test_a_task_of_ones_own_with_a_parent_that_does_not_exist_is_not_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tests.gallery as gallery

    whole = gallery.load(gallery.Arguments(count=1))
    (sample,) = whole.samples
    circle = (Question("a", "A?", needs=("b",)), Question("b", "B?", needs=("a", "c")))
    broken = replace(whole, samples=(replace(sample, questions=circle),))
    monkeypatch.setattr(gallery, "load", lambda arguments: broken)
    faults = check_task("tests.gallery", {}).faults
    assert [one.partition("question ")[2] for one in faults] == [
        "'a' stands above itself", "'b' needs 'c', which does not exist", "'b' stands above itself"
    ]  # fmt: skip


def test_a_run_is_sound_until_its_figures_or_pictures_are_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", "tests.painter", "--task", "tests.gallery", "-v", "quiet", "-o", str(tmp_path)]
    assert run(["eval", *flags, "--limit", "2"]) == 0
    assert run(["validate", str(tmp_path)]) == 0
    assert "4 of 4 images, 4 pictures" in capsys.readouterr().out
    record, results = (json.loads((tmp_path / name).read_text()) for name in ("run.json", "results.json"))
    results["n"]["prompts"] = 3
    write_json(tmp_path / "results.json", results)
    assert run(["validate", str(tmp_path)]) == 2
    assert "results.json" in capsys.readouterr().err
    write_json(tmp_path / "run.json", sealed(record, tmp_path))  # whoever seals a changed file anew is found out too
    next(tmp_path.glob("images/*/*.png")).unlink()
    assert run(["validate", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert "results.json: n is not what run.json and the rows make" in said
    assert "is lost or another" in said


def test_a_folder_that_is_no_run_and_a_file_that_is_not_there_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", str(tmp_path)]) == 2
    assert run(["validate", str(tmp_path / "none.jsonl")]) == 2
    said = capsys.readouterr().err
    assert "no run folder" in said
    assert "none.jsonl cannot be read" in said
