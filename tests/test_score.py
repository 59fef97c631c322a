"""harness score: stored pictures judged again, old judgements kept, nothing drawn."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.json_lines import read_lines
from harness.main import run
from harness.stored_run import open_run
from tests.test_record import validator as schema

ROOT = Path(__file__).parent.parent
DRAW = ["eval", "--model", "tests.painter", "-L", "4", "--num-images", "2", "-v", "quiet"]


def content(folder: Path) -> dict[str, str]:
    """Hashes of a folder's own files."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.glob("*.json*")}


def scored(folder: Path) -> Path:
    (found,) = (folder / "scored").iterdir()
    return found


def verdicts(folder: Path) -> dict[tuple[Any, ...], Any]:
    rows = read_lines(folder / "verdicts.jsonl")
    return {(row["sample"], row["index"], row["question"]): (row["status"], row["value"]) for row in rows}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "run"
    assert run([*DRAW, "-o", str(folder)]) == 0
    return folder


def test_the_same_verifier_gives_the_same_judgement_and_keeps_the_old(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, folder = content(drawn), tmp_path / "again"
    assert run(["score", str(drawn), "-o", str(folder), "-v", "quiet"]) == 0
    assert "46 questions have both, 100.0% fall on the same side" in capsys.readouterr().out
    assert content(drawn) == before
    assert verdicts(folder) == verdicts(drawn)
    old, new = open_run(drawn), open_run(folder)
    assert new.run["kind"] == "score"
    assert new.run["scored"] == {"run": old.run["id"], "seal": old.run["seal"], "reward": old.run["reward"]["id"]}
    assert new.results["metrics"] == old.results["metrics"]
    assert new.results["cost"]["generate"] == old.results["cost"]["generate"]
    assert {name: new.run["model"][name] for name in ("id", "name", "args")} == {
        name: old.run["model"][name] for name in ("id", "name", "args")
    }
    assert run(["compare", str(drawn), str(folder)]) == 0
    assert "0 better, 0 worse, 8 equal" in capsys.readouterr().out


def test_a_new_judgement_matches_the_schemas(drawn: Path, tmp_path: Path) -> None:
    assert run(["score", str(drawn), "-o", str(tmp_path / "again"), "-v", "quiet"]) == 0
    for name in ("run", "results"):
        schema(name).validate(json.loads((tmp_path / "again" / f"{name}.json").read_text()))


def test_another_verifier_stands_beside_the_first_and_can_be_compared(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    assert run([*DRAW, "--seed", "1", "-o", str(other)]) == 0
    flags = ["--verifier", "tests.flaky", "--verifier-args", "lost=0", "-v", "quiet"]
    for folder in (drawn, other):
        assert run(["score", str(folder), *flags]) == 0
    judged = [scored(folder) for folder in (drawn, other)]
    assert judged[0].name == judged[1].name == open_run(judged[0]).run["reward"]["id"]
    assert open_run(judged[0]).run["verifier"]["name"] == "flaky"
    assert verdicts(judged[0]) != verdicts(drawn)
    assert run(["compare", *map(str, judged)]) == 0
    capsys.readouterr()
    assert run(["compare", str(drawn), str(judged[0])]) == 2
    assert "reward id is" in capsys.readouterr().err
    assert run(["ls", "runs", str(other)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_pictures_of_predict_only_are_scored_and_failures_stay_failures(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    broken = [*DRAW, "-a", "fail_on=star", "-L", "12", "-o", str(folder)]
    assert run([*broken, "--predict-only"]) == 4
    lost = {key for key, row in open_run(folder).rows().items() if row["image"] is None}
    assert lost
    assert run(["score", str(folder), "-v", "quiet"]) == 4
    rows = open_run(scored(folder)).rows()
    assert {key for key, row in rows.items() if row["status"] == "generation_error"} == lost
    assert all("the brush broke" in rows[key]["error"]["message"] for key in lost)
    assert all(row["score"] is not None for key, row in rows.items() if key not in lost)


def test_a_lost_picture_is_missing_and_failed_answers_are_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run([*DRAW, "-o", str(folder)]) == 0
    rows = sorted(open_run(folder).rows().items())
    (folder / rows[0][1]["image"]["path"]).unlink()
    (folder / rows[1][1]["image"]["path"]).write_bytes(b"no picture")
    flags = ["--verifier", "tests.flaky", "-v", "quiet"]
    assert run(["score", str(folder), *flags, "--verifier-args", "lost=0.1"]) == 4
    found = open_run(scored(folder)).rows()
    assert [found[key]["status"] for key, _ in rows[:2]] == ["missing_image"] * 2
    done = {key for key, row in found.items() if row["status"] == "ok"}
    assert 0 < len(done) < 6
    assert run(["score", str(folder), *flags, "--verifier-args", "lost=0"]) == 4
    again = open_run(scored(folder)).rows()
    assert sum(row["status"] == "ok" for row in again.values()) == 6
    assert {key: again[key]["time"] for key in done} == {key: found[key]["time"] for key in done}
    assert (folder / rows[1][1]["image"]["path"]).read_bytes() == b"no picture"


QUESTIONS = """{"task": "mine", "reward": {"verifier": "pixels", "combine": "mean"}}
{"id": "1", "prompt": "a red circle", "questions": [{"id": "q", "text": "Is there a red circle?"}]}
"""


def test_a_task_that_has_changed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = tmp_path / "mine.jsonl", tmp_path / "run"
    file.write_text(QUESTIONS)
    assert run(["eval", "-M", "tests.painter", "-t", str(file), "-o", str(folder), "-v", "quiet"]) == 0
    assert run(["score", str(folder), "-v", "quiet"]) == 0
    file.write_text(QUESTIONS.replace("Is there a red", "Is there a blue"))
    assert run(["score", str(folder), "-o", str(tmp_path / "new"), "-v", "quiet"]) == 2
    assert "was drawn for another task than the one that is here now: its task hash" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_run_folder_alone_imports_no_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert run([*DRAW, "-t", "tasks.scenes", "-o", str(folder)]) == 0
    assert run(["score", str(folder)]) == 2
    assert "name it in --task if it may be imported" in capsys.readouterr().err
    assert run(["score", str(folder), "--task", "tasks.scenes", "-v", "quiet"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere is no run folder"),
        (["RUN", "--verifier", "pixel"], "no verifier named 'pixel'; did you mean 'pixels'?"),
        (["RUN", "--task", "dpg"], "is of the task 'scenes', not 'dpg'"),
        (["RUN", "--batch-size", "0"], "--batch-size must be at least 1"),
        (["RUN", "-o", "RUN"], "holds another run"),
        (["RUN", "--verifier-args", "api_key=sesame"], "is a secret"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], said: str, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(drawn)
    assert run(["score", *[str(drawn) if one == "RUN" else one for one in arguments]]) == 2
    assert said in capsys.readouterr().err
    assert content(drawn) == before


def test_a_dry_run_asks_nothing(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["score", str(drawn), "--verifier", "nobody.here", "-o", str(tmp_path / "x"), "--dry-run", "--json"]
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["questions"] == 46
    assert not (tmp_path / "x").exists()


def test_torch_is_not_imported(drawn: Path, tmp_path: Path) -> None:
    arguments = ["score", str(drawn), "-o", str(tmp_path / "x"), "-v", "quiet"]
    code = f"import sys\nfrom harness.main import run\nassert run({arguments!r}) == 0\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
