"""Pictures and scores apart: what lies there is scored and not made again; memory, flags of parity, lists of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from harness.json_lines import read_lines
from harness.main import run
from harness.model import Setting
from harness.stored_run import open_run
from tasks.sample import Request, Response
from tests.painter import Arguments, Painter
from tests.test_eval import FAST, results, rows, verdicts

COUNTED: list[int] = []
"""Sizes of the batches asked of the counting painter."""


class Cramped:
    """A painter whose memory holds so many pictures."""

    def __init__(self, room: int) -> None:
        self.painter, self.room = Painter(Arguments()), room
        self.id, self.record = self.painter.id, self.painter.record

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        COUNTED.append(len(requests))
        if len(requests) > self.room:
            raise MemoryError("no room")
        return self.painter.generate(requests, seeds)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The painter by name now counts its batches and has room for 12 pictures."""
    COUNTED.clear()
    monkeypatch.setattr("tests.painter.build", lambda arguments, setting: Cramped(12))
    return COUNTED


def test_pictures_without_a_score_are_scored_and_not_made_again(tmp_path: Path, counting: list[int]) -> None:
    command = [*FAST, "--limit", "6", "-o", str(tmp_path / "a")]
    assert run([*command, "--verifier", "tests.flaky", "--verifier-args", "lost=1"]) == 4
    made, before = sum(counting), rows(tmp_path / "a")
    assert {row["status"] for row in before.values()} == {"timeout"}
    assert run([*command, "--verifier", "tests.flaky", "--verifier-args", "lost=1"]) == 4
    assert sum(counting) == made
    assert {key: row["image"] for key, row in rows(tmp_path / "a").items()} == {
        key: row["image"] for key, row in before.items()
    }


def test_predict_only_asks_nobody_and_the_same_command_without_it_scores_the_pictures(
    tmp_path: Path, counting: list[int]
) -> None:
    whole, apart = (
        [*FAST, "--limit", "6", "-o", str(tmp_path / "a")],
        [*FAST, "--limit", "6", "-o", str(tmp_path / "b")],
    )
    assert run(whole) == 0
    assert run([*apart, "--predict-only", "--verifier", "nobody.knows"]) == 0
    assert {row["status"] for row in rows(tmp_path / "b").values()} == {"skipped"}
    assert results(tmp_path / "b")["withheld"] == "not scored: --predict-only"
    counting.clear()
    assert run(apart) == 0
    assert counting == []
    assert rows(tmp_path / "b") == rows(tmp_path / "a")
    assert verdicts(tmp_path / "b") == verdicts(tmp_path / "a")
    assert run([*apart, "--predict-only"]) == 2, "scores are not thrown away for pictures"


def test_a_picture_that_was_changed_is_made_again_and_not_scored_as_it_lies(tmp_path: Path) -> None:
    command = [*FAST, "--limit", "2", "-o", str(tmp_path)]
    assert run([*command, "-x"]) == 0
    changed = next(tmp_path.glob("images/*/*.png"))
    before = changed.read_bytes()
    Image.new("RGB", (32, 32)).save(changed)
    assert run(command) == 0
    assert changed.read_bytes() == before


def test_memory_that_runs_out_shrinks_the_batches_for_good(tmp_path: Path, counting: list[int]) -> None:
    assert run([*FAST, "--limit", "12", "-b", "20", "-o", str(tmp_path / "a")]) == 0
    assert counting == [20, 10, 10, 10, 10, 8]
    counting.clear()
    assert run([*FAST, "--limit", "12", "-b", "auto", "-o", str(tmp_path / "b")]) == 0
    assert counting == [8, 16, 8, 8, 8, 8, 8]
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_missing_values_count_as_asked_and_the_table_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*FAST, "--limit", "12", "-a", "fail_on=heart"]
    assert run([*command, "-o", str(tmp_path / "a")]) == 4
    assert run([*command, "--missing", "zero", "-o", str(tmp_path / "b")]) == 0
    assert "missing values: zero" in capsys.readouterr().out
    left_out, nothing = results(tmp_path / "a"), results(tmp_path / "b")
    assert nothing["metrics"][0]["value"] == pytest.approx(left_out["metrics"][0]["bounds"]["low"])
    assert nothing["coverage"] == left_out["coverage"]
    assert run([*command, "--missing", "official", "-o", str(tmp_path / "c")]) == 0
    official = results(tmp_path / "c")
    assert official["metrics"][0]["value"] == left_out["metrics"][0]["value"]
    assert official["headline"] == "score"
    assert run([*command, "--missing", "zero", "-o", str(tmp_path / "a")]) == 2


def test_generation_arguments_lie_over_those_of_the_model(tmp_path: Path) -> None:
    assert (
        run([*FAST, "--limit", "1", "-a", "fail_on=x,pause=0.1", "--gen-kwargs", "pause=0", "-o", str(tmp_path)]) == 0
    )
    identity = json.loads((tmp_path / "run.json").read_text())["identity"]
    assert identity["model arguments"] == {"fail_on": "x", "pause": "0"}


def test_trust_is_off_and_recorded_when_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    def build(arguments: Arguments, setting: Setting) -> Painter:
        told.append(setting.trust_remote_code)
        return Painter(arguments)

    monkeypatch.setattr("tests.painter.build", build)
    for more in ([], ["--trust-remote-code"]):
        assert run([*FAST, "--limit", "1", *more, "-o", str(tmp_path / str(len(more)))]) == 0
    assert told == [False, True]
    assert json.loads((tmp_path / "1" / "run.json").read_text())["trusted"]["remote_code"]
    assert not json.loads((tmp_path / "0" / "run.json").read_text())["trusted"]["remote_code"]


def test_runs_are_listed_oldest_first_damaged_ones_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FAST, "--limit", "1", "-o", str(tmp_path / "one")]) == 0
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "run.json").write_text("{")
    capsys.readouterr()
    assert run(["ls", "runs", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    one, two = found[str(tmp_path / "one")], found[str(tmp_path / "two")]
    assert (one["status"], one["task"], one["limited"], one["coverage"]) == (
        "complete",
        "scenes@1 evaluation",
        True,
        1.0,
    )
    assert two["status"] == "damaged"
    assert run(["ls", "runs", str(tmp_path)]) == 0
    assert "· limited" in capsys.readouterr().out
    assert run(["ls", "runs", str(tmp_path / "nowhere")]) == 2


def test_one_value_is_set_in_what_the_file_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("limit: 2\nseed: 5\ntask-args: {split: train, count: 30}\n")
    arguments = ["eval", "-C", str(file), "--dry-run", "--json"]
    assert run([*arguments, "--set", "task_args.count=1", "--set", "limit=9"]) == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == 1
    for wrong, said in (("limt=1", "did you mean 'limit'"), ("limit", "name=value"), ("seed.a=1", "seed")):
        assert run([*arguments, "--set", wrong]) == 2
        assert said in capsys.readouterr().err


def test_rows_that_are_scored_later_keep_the_seconds_that_drawing_took(tmp_path: Path) -> None:
    command = [*FAST, "--limit", "1", "-a", "pause=0.2", "-o", str(tmp_path)]
    assert run([*command, "-x"]) == 0
    assert run(command) == 0
    seconds = {(row["sample"], row["index"], row["seconds"]) for row in read_lines(tmp_path / "samples.jsonl")}
    assert len(seconds) == 4


def test_the_value_of_a_secret_is_told_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789")

    def build(arguments: Arguments, setting: Setting) -> Painter:
        if arguments.fail_on == "all":
            raise RuntimeError("refused: sk-0123456789")
        return Painter(arguments)

    monkeypatch.setattr("tests.painter.build", build)
    place = ["--limit", "2", "-o", str(tmp_path)]
    assert run([*FAST, "-a", "fail_on=all", *place]) == 1
    assert run([*FAST, "-a", "fail_on=sk-0123456789", *place]) == 0
    printed = capsys.readouterr()
    assert "refused: ***" in printed.err
    assert "sk-0123456789" not in printed.err + printed.out
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"sk-0123456789" in path.read_bytes()] == []
    assert json.loads((tmp_path / "run.json").read_text())["config"]["model_args"] == "fail_on=***"
    assert open_run(tmp_path).run["status"] == "complete", "what is sealed is what was written"


def test_a_verifier_that_breaks_costs_no_picture(tmp_path: Path, counting: list[int]) -> None:
    command = [*FAST, "--limit", "6", "-b", "4", "-o", str(tmp_path)]
    assert run([*command, "--verifier", "tests.mute"]) == 1
    drawn = {row["image"]["sha256"] for row in rows(tmp_path).values()}
    assert {row["status"] for row in rows(tmp_path).values()} == {"skipped"}
    assert len(drawn) == sum(counting) >= 4
    assert "gave 0 replies" in next(iter(rows(tmp_path).values()))["error"]["message"]
