"""harness compare: pairs, gates, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.change import Change, judged
from harness.comparison import Pair, difference, pair, paired_bootstrap
from harness.main import run
from harness.regression import changes, read_understanding, write_understanding
from harness.stored_run import open_run

FAST = ["eval", "--model", "tests.copyist", "--task", "tests.gallery", "--verbosity", "quiet"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weak and a good copyist on one task, and others that must not be compared with them."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in {
        "weak": ["-a", "skill=0.5"],
        "good": ["-a", "skill=0.9"],
        "seeded": ["-a", "skill=0.9", "--seed", "7"],
        "other": ["-a", "skill=0.9", "--task-args", "version=2"],
        "fewer": ["-a", "skill=0.9", "--limit", "6"],
        "once": ["-a", "skill=0.9", "--num-images", "1"],
    }.items():
        assert run([*FAST, *more, "-o", str(folder / name)]) == 0
    return folder


def compared(runs: Path, before: str, after: str, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    capsys.readouterr()
    code = run(["compare", str(runs / before), str(runs / after), "--json", *more])
    return {**json.loads(capsys.readouterr().out), "code": code}


def test_the_difference_is_that_of_the_figures_and_images_are_counted(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(runs, "weak", "good", capsys)
    (task,) = found["tasks"]
    before, after = (json.loads((runs / name / "results.json").read_text()) for name in ("weak", "good"))
    told = after["metrics"][0]["value"] - before["metrics"][0]["value"]
    assert task["headline"]["difference"]["value"] == pytest.approx(told)
    assert task["headline"]["difference"]["interval"]["low"] > 0.0
    assert (task["gained"], task["lost"], task["gained"] + task["equal"]) == (task["gained"], 0, 24)
    assert task["answers"]["gained"] > task["answers"]["lost"] == 0
    assert [one["name"] for one in task["tags"]] == sorted(open_run(runs / "weak").run["task"]["tags"])
    assert found["code"] == 0


def test_a_gate_that_is_not_passed_ends_with_3(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(runs, "weak", "good", capsys, "--margin", "1")["code"] == 0
    worse = compared(runs, "good", "weak", capsys, "--margin", "1")
    assert (worse["code"], worse["tasks"][0]["headline"]["gate"]) == (3, "worse")
    assert compared(runs, "good", "good", capsys, "--margin", "1")["code"] == 0


def test_other_seeds_are_paired_by_prompt(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (task,) = compared(runs, "good", "seeded", capsys)["tasks"]
    assert not task["same_seeds"]


@pytest.mark.parametrize(
    ("other", "field"),
    [("other", "version is '1'"), ("fewer", "item set is"), ("once", "images per prompt is 2 in the one and 1")],
)
def test_runs_that_differ_in_what_was_asked_are_refused_by_the_field(
    runs: Path, capsys: pytest.CaptureFixture[str], other: str, field: str
) -> None:
    assert run(["compare", str(runs / "good"), str(runs / other)]) == 2
    assert field in capsys.readouterr().err


def test_folders_of_runs_pair_by_task(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", str(runs), str(runs)]) == 2
    assert "several runs of gallery@1 evaluation" in capsys.readouterr().err


def test_the_table_says_what_was_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", str(runs / "weak"), str(runs / "good"), "--margin", "2"]) == 0
    out = capsys.readouterr().out
    assert "24 values of 12 prompts, same seeds; sign-flip over prompts" in out
    assert "1 comparison, p adjusted by Holm" in out
    assert "gate: the interval must lie above -2 points" in out


@pytest.mark.parametrize("flags", [["--margin", "0"], ["--alpha", "1"]])
def test_a_margin_or_level_that_means_nothing_is_told(
    runs: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    assert run(["compare", str(runs / "weak"), str(runs / "good"), *flags]) == 2
    assert flags[0] in capsys.readouterr().err


def test_values_missing_in_either_run_are_left_out_and_counted() -> None:
    found = pair(["a", "a", "b", "c"], [1.0, None, 0.0, None], [0.5, 1.0, 1.0, None])
    assert (found.prompts, found.before.tolist(), found.after.tolist()) == (("a", "b"), [1.0, 0.0], [0.5, 1.0])
    assert found.lost == 1


def test_prompt_means_are_paired_where_seeds_differ() -> None:
    found = pair(["a", "a", "b", "b"], [1.0, 0.0, None, 1.0], [1.0, None, 0.0, 0.0], by_prompt=True)
    assert (found.before.tolist(), found.after.tolist(), found.counts.tolist()) == ([0.5, 1.0], [1.0, 0.0], [1.0, 1.0])


def test_categories_that_share_every_prompt_count_each_prompt_once() -> None:
    random = np.random.default_rng(0)
    prompts = [f"{number:03d}" for number in range(200)]
    before, after = random.random(200), random.random(200)
    one: Pair = pair(prompts, before.tolist(), after.tolist())
    alone, doubled = difference({"": one}), difference({"a": one, "b": one})
    assert (doubled.prompts, doubled.value) == (200, pytest.approx(alone.value))
    assert doubled.se == pytest.approx(alone.se)
    assert doubled.p == alone.p
    single, twice = paired_bootstrap({"": one}, {"": 1.0}), paired_bootstrap({"a": one, "b": one}, {"a": 0.5, "b": 0.5})
    assert (twice.low, twice.high) == (pytest.approx(single.low), pytest.approx(single.high))


def rows(task: str, values: list[float], shift: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "task": task,
            "doc_id": number,
            "doc_hash": f"h{number + shift * (number % 2)}",
            "metric": "exact",
            "value": value,
        }
        for number, value in enumerate(values)
    ]


def test_understanding_pairs_documents_of_equal_hash_and_is_gated(tmp_path: Path) -> None:
    before = rows("vqa", [1.0] * 40)
    write_understanding(tmp_path, before)
    assert read_understanding(tmp_path) == before
    same = judged(changes(before, before), 1.0)
    assert (same[0].gate, same[0].difference.p) == ("passed", 1.0)
    (half,) = changes(before, rows("vqa", [1.0] * 40, shift=100))
    assert (half.values, half.difference.lost) == (20, 40)
    worse = judged(changes(before, rows("vqa", [0.0] * 30 + [1.0] * 10)), 1.0)
    assert worse[0].gate == "worse"


def test_a_gate_that_shows_nothing_says_how_many_values_would_settle_it() -> None:
    before, after = [1.0] * 38 + [0.0] * 2, [1.0] * 37 + [0.0, 1.0, 1.0]
    one: Change = judged(changes(rows("vqa", before), rows("vqa", after)), 1.0)[0]
    assert (one.gate, one.flipping) == ("not shown", 3 / 40)
    assert one.needed == 5887  # 7.849 * .075 / .01^2


def test_holm_is_taken_over_all_of_a_command() -> None:
    before, after = [0.0] * 20, [1.0] * 8 + [0.0] * 12
    alone = judged(changes(rows("a", before), rows("a", after)), None)[0]
    both = judged(changes([*rows("a", before), *rows("b", before)], [*rows("a", after), *rows("b", after)]), None)
    assert alone.adjusted == alone.difference.p
    assert [one.adjusted for one in both] == [2 * alone.difference.p] * 2
