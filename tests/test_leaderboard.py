"""harness leaderboard: who is ranked, who stands apart and why, forms, folders that live in git, publishing."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.ending import Damaged
from harness.main import run
from harness.stored_run import open_run
from leaderboards.agreement import FIELDS
from leaderboards.board import Board, read_board
from leaderboards.entry import Entry, Refused, make_entry
from leaderboards.form import FILES, FORMS
from leaderboards.gathering import gather
from leaderboards.letters import letters, shared
from leaderboards.ranking import rankings
from leaderboards.reported import read_reported, read_table
from tests.publisher import hub

FAST = ["eval", "--model", "tests.copyist", "--task", "tests.gallery", "--verbosity", "quiet"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three copyists on one task, one of other seeds, one limited, one with holes, and a folder that is no run."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in {
        "weak": ["-a", "skill=0.3"],
        "good": ["-a", "skill=0.9"],
        "best": ["-a", "skill=1.0"],
        "seeded": ["-a", "skill=0.9", "--seed", "7"],
        "limited": ["-a", "skill=0.9", "--limit", "6"],
        "holes": ["-a", "skill=0.9,fail_on=diamond", "--min-coverage", "0.5"],
    }.items():
        assert run([*FAST, *more, "-o", str(folder / name)]) == 0
    (folder / "notes").mkdir()
    return folder


@pytest.fixture(scope="module")
def entries(runs: Path) -> tuple[Entry, ...]:
    return gather(sorted(runs.iterdir()), "").entries


def shown(runs: Path, capsys: pytest.CaptureFixture[str], form: str, *names: str) -> str:
    capsys.readouterr()
    folders = [str(runs / name) for name in names] or [str(one) for one in sorted(runs.iterdir())]
    assert run(["leaderboard", "show", *folders, "--format", form]) == 0
    return capsys.readouterr().out


def test_runs_that_agree_are_ranked_and_the_rest_is_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(runs, capsys, "json"))
    rows = {row["folder"]: row for row in found["rows"]}
    assert [rows[name]["rank"] for name in ("best", "good", "weak", "holes")] == [1, 2, 3, None]
    assert set(rows["best"]["letters"]).isdisjoint(rows["weak"]["letters"])
    assert "limited" not in rows
    told = " ".join(found["not_entered"])
    assert "a limited run (6 prompts) enters no board" in told
    assert "notes: there is no run in it" in told
    results = json.loads((runs / "good" / "results.json").read_text())["metrics"][0]
    assert (rows["good"]["value"], rows["good"]["low"]) == (results["value"], results["ci"]["low"])


def test_below_the_floor_there_is_no_rank_and_no_figure_only_bounds(runs: Path, entries: tuple[Entry, ...]) -> None:
    rows = {row["folder"]: row for row in json.loads(FORMS["json"](Board("b", entries), ()))["rows"]}
    holes = rows["holes"]
    assert (holes["rank"], holes["value"], holes["low"]) == (None, None, None)
    assert 0.0 <= holes["worst"] < rows["good"]["value"] < holes["best"]
    assert holes["reason"].startswith("coverage of images is")


def changed(entry: Entry, run_id: str = "another", **changes: Any) -> Entry:
    facts = {**entry.content["facts"], **changes}
    return Entry({**entry.content, "facts": facts, "run": run_id}, entry.values)


@pytest.mark.parametrize("field", [name for name in FIELDS if name != "task"])
def test_no_table_mixes_runs_that_differ_in_what_must_be_the_same(entries: tuple[Entry, ...], field: str) -> None:
    one = entries[0]
    found = rankings([one, changed(one, "twin"), changed(one, **{field: "something else"})])
    assert [len(table.lines) for table in found] == [2, 1]
    assert found[0].apart == ""
    assert found[1].apart.startswith(f"{field} is ")
    assert "something else" in found[1].apart


def test_another_task_is_a_table_of_its_own_without_a_reason(entries: tuple[Entry, ...]) -> None:
    found = rankings([entries[0], changed(entries[0], task="other")])
    assert [table.apart for table in found] == ["", ""]


@pytest.mark.parametrize(
    ("trained_on", "ranked"),
    [("gallery", False), ("gallery evaluation", False), ("gallery train", True), ("scenes", True)],
)
def test_what_was_trained_on_the_benchmark_has_no_rank(runs: Path, trained_on: str, ranked: bool) -> None:
    entry = make_entry(open_run(runs / "good"), [trained_on])
    (line,) = rankings([entry])[0].lines
    assert (line.rank == 1, line.reason) == (ranked, "" if ranked else f"trained on {trained_on}")


def test_the_rewriting_of_a_benchmark_is_the_benchmark(entries: tuple[Entry, ...]) -> None:
    entry = changed(entries[0], task="geneval")
    known = Entry({**entry.content, "trained_on": ["geneval-rewritten"]}, entry.values)
    assert rankings([known])[0].lines[0].reason == "trained on geneval-rewritten"


def test_prompts_that_were_trained_on_take_the_rank(entries: tuple[Entry, ...]) -> None:
    training = {"task": "scenes", "prompt_overlap": {"exact": 3, "near": 1}}
    known = Entry({**entries[0].content, "training": training}, entries[0].values)
    assert rankings([known])[0].lines[0].reason == "trained on 3 of its prompts"


def test_a_row_of_training_tells_who_rewarded_it_what_it_saw_and_how_its_pictures_are(
    entries: tuple[Entry, ...],
) -> None:
    training = {"task": "scenes", "trained_on": ["scenes train"], "reward_verifier": "pixels@1", "self_verified": True,
                "prompt_overlap": {"exact": 0, "near": 4}, "updates": 80}  # fmt: skip
    trained = Entry({**entries[0].content, "training": training}, entries[0].values)
    begun = Entry({**trained.content, "run": "b", "training": {**training, "updates": 0}}, entries[0].values)
    rows = json.loads(FORMS["json"](Board("b", (trained, begun)), ()))["rows"]
    assert {row["run"] == "b": row["trained_on"] for row in rows} == {True: "", False: "scenes train"}
    assert {row["rank"] for row in rows} == {1}
    told = FORMS["md"](Board("b", (trained, begun)), ())
    assert "pixels@1 (self-verified)" in told
    assert "0 exact, 4 near" in told
    assert f"dark {trained.content['guards']['dark']:.3f}" in told
    assert "reward verifier" not in FORMS["md"](Board("b", entries), ())


def test_several_verifiers_in_one_run_enter_no_board(runs: Path) -> None:
    stored = open_run(runs / "good")
    both = {**stored.run["verifier"], "served": [{"id": "a", "count": 1}, {"id": "b", "count": 1}]}
    with pytest.raises(Refused, match="several verifiers answered in one run: a, b"):
        make_entry(replace(stored, run={**stored.run, "verifier": both}))


def test_letters_are_the_largest_groups_that_are_not_told_apart() -> None:
    assert shared(3, set()) == [frozenset({0, 1, 2})]
    assert shared(3, {(0, 2)}) == [frozenset({0, 1}), frozenset({1, 2})]
    assert shared(3, {(0, 1), (0, 2), (1, 2)}) == [frozenset({0}), frozenset({1}), frozenset({2})]
    assert shared(4, {(0, 3), (1, 3)}) == [frozenset({0, 1, 2}), frozenset({2, 3})]


def test_letters_are_adjusted_for_the_number_of_comparisons(
    entries: tuple[Entry, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    three = [entries[0], changed(entries[0], "second"), changed(entries[0], "third")]
    for p, told in ((0.03, ["a", "a", "a"]), (0.01, ["a", "b", "c"])):  # by Holm .09 and .03
        monkeypatch.setattr("leaderboards.letters.paired_p", lambda one, other, p=p: p)
        assert letters(three) == (told, 3)


def test_equal_runs_share_a_letter(entries: tuple[Entry, ...]) -> None:
    assert letters([entries[0], changed(entries[0])]) == (["a", "a"], 1)


def test_adding_a_run_twice_changes_no_byte(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = tmp_path / "board"
    command = ["leaderboard", "add", str(runs / "good"), str(runs / "weak"), "--board", str(board), "--title", "Ours"]
    assert run(command) == 0
    before = {path: path.read_bytes() for path in board.rglob("*.json")}
    assert run(command) == 0
    assert {path: path.read_bytes() for path in board.rglob("*.json")} == before
    assert len(before) == 5
    told = read_board(board)
    assert (told.title, len(told.entries)) == ("Ours", 2)
    alone = gather([runs / "good", runs / "weak"], "Ours")
    assert {name: form(told, ()) for name, form in FORMS.items()} == {
        name: form(alone, ()) for name, form in FORMS.items()
    }


def test_an_edited_entry_is_refused_and_an_unknown_version_is_one_sentence(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = tmp_path / "board"
    assert run(["leaderboard", "add", str(runs / "good"), "--board", str(board)]) == 0
    (path,) = (one for one in (board / "entries").iterdir() if "values" not in one.name)
    whole = path.read_text()
    path.write_text(whole.replace('"folder": "good"', '"folder": "better"'))
    with pytest.raises(Damaged, match="was changed by hand: its seal does not match"):
        read_board(board)
    path.write_text(whole)
    beside = path.with_name(f"{path.stem}.values.json")
    beside.write_text(beside.read_text().replace("0.", "1."))
    with pytest.raises(Damaged, match="its hash does not match"):
        read_board(board)
    (board / "board.json").write_text('{"schema_version": 9, "title": "x"}')
    capsys.readouterr()
    assert run(["leaderboard", "show", str(board)]) == 2
    assert "has schema version 9; this image-harness reads boards of 1" in capsys.readouterr().err


def test_an_edited_run_is_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (runs / "good").glob("*.json*"):
        (copy / path.name).write_bytes(path.read_bytes())
    rows = copy / "samples.jsonl"
    rows.write_text(rows.read_text().replace('"score":0.0', '"score":1.0'))
    assert run(["leaderboard", "show", str(copy), str(runs / "weak")]) == 2
    assert "samples.jsonl was changed after the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shwo"], "no action of leaderboard named 'shwo'; did you mean 'show'?"),
        (["show"], "needs run folders"),
        (["show", "nowhere"], "nowhere is no run folder"),
        (["page", "nowhere"], "nowhere is no board: it has no board.json"),
        (["publish", "nowhere", "hub:owner"], "'owner' names no repository; write hub:OWNER/NAME"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", *arguments]) == 2
    assert said in capsys.readouterr().err


def hostile(entry: Entry) -> Entry:
    return Entry({**entry.content, "label": '=<script>alert("x")</script> | 50% & a_b'}, entry.values)


def test_every_form_writes_what_a_model_calls_itself_as_text(entries: tuple[Entry, ...]) -> None:
    board = Board("A <b>board</b>", (hostile(entries[0]),), apart=("<i>one</i>",))
    page = FORMS["html"](board, ())
    assert "<script>" not in page
    assert "<b>board" not in page
    assert "<i>one" not in page
    assert "&lt;script&gt;" in page
    assert r"\<script>" in FORMS["md"](board, ())
    assert r" \| 50" in FORMS["md"](board, ())
    assert r"50\% \& a\_b" in FORMS["tex"](board, ())
    (row,) = csv.DictReader(io.StringIO(FORMS["csv"](board, ())))
    assert row["model"].startswith("'=<script>")


def test_published_rows_stand_apart_with_their_source(entries: tuple[Entry, ...]) -> None:
    board = Board("b", (changed(entries[0], task="geneval2"),))
    rows = json.loads(FORMS["json"](board, read_reported()))["rows"]
    assert [row["kind"] for row in rows] == ["ranked", "reported"]
    assert (rows[1]["model"], rows[1]["value"], rows[1]["rank"]) == ("SD3.5-Large", 22.61, None)
    assert rows[1]["source"].startswith("https://")
    told = FORMS["md"](board, read_reported())
    assert "never ranked with runs of ours" in told
    assert "Qwen3-VL-8B-Instruct" in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 7}, "schema version 7"),
        ({"source": {"title": "a paper"}}, "needs a source with title and url"),
        ({"rows": [{"model": "m", "values": [3]}]}, "no number from 0 to 1"),
        ({"judged_by": "nobody"}, "unknown keys"),
    ],
)
def test_a_published_table_without_a_source_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    whole = {
        "schema_version": 1, "task": "t", "set": "all", "source": {"title": "p", "url": "https://x.invalid"},
        "judge": "j", "scale": 1, "columns": ["overall"], "rows": [{"model": "m", "values": [0.5]}],
    }  # fmt: skip
    path = tmp_path / "t.json"
    path.write_text(json.dumps({**whole, **change}))
    with pytest.raises(ValueError, match=said):
        read_table(path)


def test_of_a_training_run_the_first_and_last_evaluation_are_shown(runs: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "training" / "held_out"
    held_out.mkdir(parents=True)
    for step, name in (("step-000000", "weak"), ("step-000010", "good"), ("step-000020", "best")):
        (held_out / step).symlink_to(runs / name)
    found = gather([tmp_path / "training"], "")
    assert sorted(entry.content["label"] for entry in found.entries) == ["copyist-0.3 skill=0.3", "copyist-1 skill=1.0"]


@pytest.fixture(scope="module")
def board(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "board"
    names = [str(runs / name) for name in ("good", "weak")]
    assert run(["leaderboard", "add", *names, "--board", str(folder), "--title", "Ours"]) == 0
    return folder


def test_a_dry_run_shows_the_exact_files_and_sends_nothing(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "pages"
    capsys.readouterr()
    assert run(["leaderboard", "publish", str(board), str(target), "--dry-run"]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()[:-1]]
    assert not target.exists()
    assert run(["leaderboard", "publish", str(board), str(target)]) == 0
    sizes = {path.relative_to(target).as_posix(): path.stat().st_size for path in target.rglob("*") if path.is_file()}
    assert {name: int(size.replace(",", "")) for size, _, name in told} == sizes
    assert set(FILES) < set(sizes)
    assert read_board(target).entries == read_board(board).entries


def test_publishing_to_the_hub_needs_a_token_and_makes_one_commit(
    board: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert run(["leaderboard", "publish", str(board), "hub:me/board"]) == 2
    assert "needs a token with write access in HF_TOKEN" in capsys.readouterr().err


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with hub() as found:
        yield found


def test_a_board_arrives_at_the_hub(board: Path, endpoint: tuple[str, list[dict[str, Any]]]) -> None:
    address, received = endpoint
    code = f"from harness.main import run\nassert run(['leaderboard', 'publish', {str(board)!r}, 'hub:me/board']) == 0"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
        env={"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_a_token_of_a_test", "PATH": "/usr/bin",
             "HF_HUB_DISABLE_XET": "1", "HOME": str(board.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "hf_a_token_of_a_test" not in done.stdout + done.stderr
    files = {one["path"]: one["content"] for one in received}
    assert {"README.md", "board.json", "index.html", "board.csv"} < set(files)
    assert files["index.html"].decode() == FORMS["html"](read_board(board), read_reported())
    assert files["README.md"].startswith(b"---\npretty_name: Ours\n")
