"""harness eval from the outside: run folders, resume, failures, exit codes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.json_lines import read_lines
from harness.main import run
from harness.picture import picture_name
from harness.summary import summarise
from tests.forks import Forks

ROOT = Path(__file__).parent.parent
FAST = ["eval", "--model", "tests.painter", "--verbosity", "quiet"]


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def rows(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Last rows by key without what a clock decides."""
    found = {}
    for row in read_lines(folder / "samples.jsonl"):
        found[row["sample"], row["index"]] = {k: v for k, v in row.items() if k not in ("seconds", "time")}
    return found


def verdicts(folder: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    return {
        (row["sample"], row["index"], row["question"]): {k: v for k, v in row.items() if k != "latency_ms"}
        for row in read_lines(folder / "verdicts.jsonl")
    }


def test_a_run_leaves_rows_pictures_and_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FAST, "--limit", "6", "-o", str(tmp_path)]) == 0
    found = rows(tmp_path)
    assert len(found) == 24
    assert len({row["seed"] for row in found.values()}) == 24
    for row in found.values():
        with Image.open(tmp_path / row["image"]["path"]) as image:
            assert picture_name(image) == row["image"]["sha256"]
    summary = results(tmp_path)
    assert summary["coverage"]["images"] == {"planned": 24, "ok": 24, "fraction": 1.0}
    assert summary["headline"] == "score"
    identity = json.loads((tmp_path / "run.json").read_text())
    assert (identity["status"], identity["exit_code"], identity["limited"]) == ("complete", 0, True)
    printed = capsys.readouterr().out
    assert "mean of tags" in printed
    assert f"run folder: {tmp_path}" in printed


@pytest.mark.parametrize("size", ["1", "5", "100"])
def test_the_batch_size_changes_nothing(tmp_path: Path, size: str) -> None:
    assert run([*FAST, "--limit", "4", "-o", str(tmp_path / "a")]) == 0
    assert run([*FAST, "--limit", "4", "-o", str(tmp_path / "b"), "--batch-size", size]) == 0
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert verdicts(tmp_path / "a") == verdicts(tmp_path / "b")


def test_results_are_rebuilt_to_the_same_bytes(tmp_path: Path) -> None:
    command = [*FAST, "--limit", "4", "-o", str(tmp_path)]
    assert run(command) == 0
    first, lines = (tmp_path / "results.json").read_bytes(), (tmp_path / "samples.jsonl").read_bytes()
    assert run(command) == 0
    assert (tmp_path / "results.json").read_bytes() == first
    assert (tmp_path / "samples.jsonl").read_bytes() == lines


def test_stored_pictures_score_as_they_did_when_made(tmp_path: Path) -> None:
    made, stored = tmp_path / "made", tmp_path / "stored"
    assert run([*FAST, "--limit", "6", "-o", str(made)]) == 0
    arguments = ["--model", "folder", "--model-args", f"path={made}", "--limit", "6", "-o", str(stored)]
    assert run(["eval", *arguments, "-v", "quiet"]) == 0
    before, after = rows(made), rows(stored)
    assert {key: (row["score"], row["image"]) for key, row in before.items()} == {
        key: (row["score"], row["image"]) for key, row in after.items()
    }
    assert verdicts(made) == verdicts(stored)


@pytest.mark.parametrize("moments", [5, pytest.param(20, marks=pytest.mark.proof)])
def test_a_run_killed_at_random_moments_goes_on_to_the_same_rows(tmp_path: Path, moments: int) -> None:
    arguments = ["-a", "pause=0.01", "--limit", "50", "-b", "2"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run([*FAST, *arguments, "-o", str(whole)]) == 0
    chance, codes = random.Random(0), []
    with Forks() as forks:
        for _ in range(moments):
            wanted = size_of(killed) + chance.randrange(4000)
            forks.start([*FAST, *arguments, "-o", str(killed)])
            while not forks.ended() and size_of(killed) <= wanted:
                time.sleep(0.001)
            codes.append(forks.kill())
    assert codes.count(-signal.SIGKILL) == moments
    assert run([*FAST, *arguments, "-o", str(killed)]) == 0
    assert rows(killed) == rows(whole)
    assert verdicts(killed) == verdicts(whole)
    assert results(killed)["metrics"] == results(whole)["metrics"]


def size_of(folder: Path) -> int:
    path = folder / "samples.jsonl"
    return path.stat().st_size if path.exists() else 0


def test_a_torn_last_line_is_dropped_and_made_again(tmp_path: Path) -> None:
    command = [*FAST, "--limit", "4", "-o", str(tmp_path)]
    assert run(command) == 0
    before, path = rows(tmp_path), tmp_path / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert run(command) == 0
    assert rows(tmp_path) == before


def test_a_broken_line_inside_is_named_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*FAST, "--limit", "4", "-o", str(tmp_path)]
    assert run(command) == 0
    path = tmp_path / "samples.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:50], *lines[2:], ""]))
    assert run(command) == 2
    assert "samples.jsonl is damaged: line 2 is not JSON" in capsys.readouterr().err


def test_a_folder_of_another_run_is_refused_by_name_and_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*FAST, "--limit", "2", "-o", str(tmp_path)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run([*FAST, "--limit", "2", "--seed", "7", "-o", str(tmp_path)]) == 2
    assert "seed is 0 there and 7 here" in capsys.readouterr().err
    assert run([*FAST, "--limit", "2", "--verifier", "tests.flaky", "-o", str(tmp_path)]) == 2
    assert "reward id is" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert run([*FAST, "--limit", "2", "--resume", "none", "-o", str(tmp_path)]) == 2


def test_a_request_that_raises_costs_its_rows_and_not_the_run(tmp_path: Path) -> None:
    arguments = ["--limit", "12", "-a", "fail_on=heart", "-o", str(tmp_path), "--min-coverage", "0.3"]
    assert run([*FAST, *arguments]) == 0
    for row in rows(tmp_path).values():
        failed = "heart" in row["prompt"]
        assert row["status"] == ("generation_error" if failed else "ok")
        assert (row["score"] is None) == failed
        if failed:
            assert "the brush broke" in row["error"]["message"]
    statuses = {row["status"] for row in verdicts(tmp_path).values()}
    assert statuses == {"ok", "skipped"}


def test_low_coverage_withholds_the_headline_and_shows_its_bounds(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "12", "-a", "fail_on=heart", "-o", str(tmp_path)]) == 4
    summary = results(tmp_path)
    assert summary["headline"] is None
    assert "below the floor of 98%" in summary["withheld"]
    bounds = summary["metrics"][0]["bounds"]
    assert bounds["low"] < bounds["high"]
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "incomplete"


def test_failed_rows_are_made_again_when_the_run_goes_on(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "6", "--verifier", "tests.flaky", "-o", str(tmp_path)]) == 4
    first = len(read_lines(tmp_path / "samples.jsonl"))
    failed = sum(row["status"] != "ok" for row in rows(tmp_path).values())
    assert failed
    assert run([*FAST, "--limit", "6", "--verifier", "tests.flaky", "-o", str(tmp_path)]) == 4
    assert len(read_lines(tmp_path / "samples.jsonl")) == first + failed


def test_an_unanswered_question_never_becomes_zero(tmp_path: Path) -> None:
    clean, lossy = tmp_path / "clean", tmp_path / "lossy"
    verifier = ["--verifier", "tests.flaky", "--min-coverage", "0"]
    assert run([*FAST, *verifier, "--verifier-args", "lost=0", "--limit", "48", "-o", str(clean)]) == 0
    assert run([*FAST, *verifier, "--limit", "48", "-o", str(lossy)]) == 0
    for row in verdicts(lossy).values():
        assert (row["value"] is None) == (row["status"] != "ok")
    asked = results(lossy)["coverage"]["questions"]
    assert asked["fraction"] == pytest.approx(0.8, abs=0.05)
    around, value = results(clean)["metrics"][0]["ci"], results(lossy)["metrics"][0]["value"]
    assert around["low"] - 0.05 < value < around["high"] + 0.05


def test_stop_on_error_ends_the_run_with_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FAST, "--limit", "12", "-a", "fail_on=heart", "--on-error", "stop", "-o", str(tmp_path)]) == 4
    assert "stopped by --on-error stop" in capsys.readouterr().err
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "error"


def test_a_model_that_cannot_take_batches_still_makes_every_image(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "3", "-a", "fail_batches=true", "-o", str(tmp_path)]) == 0


@pytest.mark.parametrize("place", ["/proc/nothing/here", "file"])
def test_a_folder_that_cannot_be_written_stops_before_any_work(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    folder = blocked / "run" if place == "file" else Path(place)
    assert run([*FAST, "--limit", "2", "-o", str(folder)]) == 6
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_stops_before_any_work(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("this sandbox cannot mount a small disk")
    try:
        assert run([*FAST, "--limit", "2", "-o", str(tmp_path / "run")]) == 6
        assert not (tmp_path / "run" / "samples.jsonl").exists()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_stopped_run_saves_what_it_made_and_goes_on(tmp_path: Path, number: int, code: int) -> None:
    arguments = [*FAST, "-a", "pause=0.05", "--limit", "10", "-b", "2", "-o", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.main", *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores Ctrl-C
    )
    while size_of(tmp_path) < 3000:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"what was made is saved" in said
    made = len(rows(tmp_path))
    assert 0 < made < 40
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "cancelled"
    assert run(arguments) == 0
    assert len(rows(tmp_path)) == 40


def test_two_live_runs_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*FAST, "-a", "pause=0.05", "--limit", "30", "-b", "2", "-o", str(tmp_path)]
    process = subprocess.Popen([sys.executable, "-m", "harness.main", *arguments], cwd=ROOT)
    try:
        while size_of(tmp_path) < 1000:
            time.sleep(0.01)
        assert run(arguments) == 2
        assert "another run is writing" in capsys.readouterr().err
    finally:
        process.kill()
        process.wait()


def launch(arguments: list[str], processes: int) -> list[subprocess.Popen[bytes]]:
    """Several processes of one run."""
    command = [sys.executable, "-m", "harness.main", *FAST, *arguments]
    return [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(processes)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(processes)
    ]


def test_several_processes_one_of_them_killed_are_finished_by_fewer(tmp_path: Path) -> None:
    one, several = tmp_path / "one", tmp_path / "several"
    arguments = ["--limit", "20", "-b", "2", "-a", "pause=0.1"]
    assert run([*FAST, *arguments, "-o", str(one)]) == 0
    three = launch([*arguments, "-o", str(several)], 3)
    while not (several / "samples.p0002.jsonl").exists():
        time.sleep(0.01)
    three[2].kill()
    assert [process.wait(timeout=60) for process in three][2] == -signal.SIGKILL
    assert results(several)["coverage"]["images"]["ok"] < 80
    assert max(process.wait(timeout=60) for process in launch([*arguments, "-o", str(several)], 2)) == 0
    assert rows(several) == rows(one)
    assert verdicts(several) == verdicts(one)
    assert results(several)["metrics"] == results(one)["metrics"]
    assert not list(several.glob("*.p0*.jsonl"))


def test_a_failed_row_of_a_stopped_launch_does_not_outlive_the_image_that_was_made_since(tmp_path: Path) -> None:
    arguments = ["--limit", "4", "-o", str(tmp_path)]
    assert run([*FAST, *arguments]) == 0
    whole = rows(tmp_path)
    lines = (tmp_path / "samples.jsonl").read_text().splitlines(keepends=True)
    failed = [json.dumps({**json.loads(line), "status": "generation_error", "score": None}) + "\n" for line in lines]
    (tmp_path / "samples.p0001.jsonl").write_text("".join(failed[:3]))
    (tmp_path / "samples.jsonl").write_text("".join(lines[3:]))
    assert run([*FAST, *arguments]) == 0
    assert rows(tmp_path) == whole


def test_a_picture_that_was_lost_is_made_again(tmp_path: Path) -> None:
    arguments = [*FAST, "--limit", "2", "-o", str(tmp_path)]
    assert run(arguments) == 0
    lost = next(tmp_path.glob("images/*/*.png"))
    lost.unlink()
    assert run(arguments) == 0
    assert lost.exists()


def test_the_same_meaning_in_other_words_is_the_same_run(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "2", "-o", str(tmp_path)]) == 0
    ids = "scenes-0001,scenes-0002"
    assert run([*FAST, "--samples", ids, "--verifier", "pixels", "--num-images", "4", "-o", str(tmp_path)]) == 0


def test_data_that_looks_like_markup_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "[bold]x[" / "red]"
    assert run([*FAST, "--limit", "1", "-o", str(folder)]) == 0
    assert f"run folder: {folder}" in capsys.readouterr().out


def test_a_run_needs_no_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.main", "eval", "--limit", "1", "-a", "points=3", "-o", str(tmp_path)]
    isolated = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*isolated, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this sandbox cannot make a network namespace")
    assert subprocess.run([*isolated, *command, "--offline"], cwd=ROOT, check=False).returncode == 0


def test_the_results_print_in_the_shape_of_lm_eval(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "6", "-o", str(tmp_path / "a")]) == 0
    block = results(tmp_path / "a")["compat"]["lm_eval"]
    assert block["results"]["scenes"]["score,none"] == results(tmp_path / "a")["metrics"][0]["value"]
    assert run([*FAST, "--limit", "6", "--verifier", "tests.flaky", "-o", str(tmp_path / "b")]) == 4
    assert "score,none" not in results(tmp_path / "b")["compat"]["lm_eval"]["results"]["scenes"]


def test_images_that_were_never_made_count_as_planned_and_widen_the_bounds(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "12", "-o", str(tmp_path)]) == 0
    identity = json.loads((tmp_path / "run.json").read_text())
    kept = [row for row in read_lines(tmp_path / "samples.jsonl") if "counting" not in row["tags"]]
    found = summarise(identity, kept, read_lines(tmp_path / "verdicts.jsonl"))
    assert found["coverage"]["images"] == {"planned": 48, "ok": 40, "fraction": 40 / 48}
    assert found["by_status"]["images"] == {"ok": 40, "skipped": 8}
    assert found["headline"] is None
    assert found["metrics"][0]["value"] is None, "a mean of the tags that happen to exist is no mean of tags"
    assert found["metrics"][0]["bounds"]["high"] - found["metrics"][0]["bounds"]["low"] == pytest.approx(1 / 6)


def test_several_tasks_leave_a_folder_each(tmp_path: Path) -> None:
    assert run([*FAST, "--task", "scenes,tests.pair", "--limit", "2", "-o", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"scenes-tests.painter", "tests.pair-tests.painter"}
    assert results(tmp_path / "tests.pair-tests.painter")["n"]["prompts"] == 2


def test_several_tasks_print_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FAST, "--task", "scenes,tests.pair", "--limit", "2", "--json", "-o", str(tmp_path)]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"scenes", "tests.pair"}


def test_a_sample_with_two_tags_counts_under_both() -> None:
    keys = [(str(number), 0) for number in range(6)]
    run_json = {
        "id": "x",
        "config": {"min_coverage": 0},
        "reward": {"id": "r", "range": [0.0, 1.0]},
        "verifier": {},
        "task": {
            "name": "t", "version": "1", "headline": "mean of tags", "samples": [key for key, _ in keys],
            "images_per_sample": 1, "questions": 6, "tags": {"a": ["0", "1", "2", "3"], "b": ["2", "3", "4", "5"]},
            "weights": {"a": 0.5, "b": 0.5}, "compounds": {}, "scale": 1.0, "offset": 0.0, "decimals": {},
            "answers": {},
        },
    }  # fmt: skip
    scores = [0.0, 1.0, 0.5, 0.5, 1.0, 1.0]
    made = [
        {"sample": key, "index": 0, "status": "ok", "score": score, "parts": {}, "guards": {}, "image": None,
         "seconds": 0.0, "tags": [tag for tag, members in run_json["task"]["tags"].items() if key in members]}
        for (key, _), score in zip(keys, scores, strict=True)
    ]  # fmt: skip
    headline = summarise(run_json, made, [])["metrics"][0]
    assert headline["estimator"] == "overlapping"
    assert headline["value"] == pytest.approx((0.5 + 0.75) / 2)
