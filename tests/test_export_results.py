"""harness export results: the schema of Every Eval Ever, lm-eval's own table, and nothing invented for what failed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.main import run
from harness.stored_run import open_run
from leaderboards.every_eval_ever import Origin, judges, share

FAST = ["eval", "--model", "tests.copyist", "--task", "tests.gallery", "--verbosity", "quiet"]
SCHEMA = json.loads((Path(__file__).parent / "golden" / "every_eval_ever.json").read_text())
ORIGIN = Origin("unknown", "other", "unknown")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, one with holes, and one that is mostly holes."""
    folder = tmp_path_factory.mktemp("runs")
    holes = ["-a", "skill=0.9,fail_on=diamond"]
    for name, more, code in (("good", ["-a", "skill=0.9"], 0), ("holes", [*holes, "--min-coverage", "0.5"], 0),
                             ("withheld", holes, 4)):  # fmt: skip
        assert run([*FAST, *more, "-o", str(folder / name)]) == code
    return folder


def check(content: dict[str, Any], kind: str) -> None:
    Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}).validate(content)


def exported(runs: Path, name: str, out: Path) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    assert run(["export", "results", str(runs / name), "-o", str(out)]) == 0
    (record,) = out.rglob("*.json")
    (lines,) = out.rglob("*_samples.jsonl")
    return json.loads(record.read_text()), [json.loads(line) for line in lines.read_text().splitlines()], lines


def test_a_run_is_handed_out_in_the_shared_schema(runs: Path, tmp_path: Path) -> None:
    record, lines, path = exported(runs, "good", tmp_path)
    check(record, "aggregate")
    for one in lines:
        check(one, "instance")
    results = json.loads((runs / "good" / "results.json").read_text())
    head, metric = record["evaluation_results"][0], results["metrics"][0]
    assert head["score_details"]["score"] == metric["value"]
    assert head["score_details"]["uncertainty"]["confidence_interval"]["lower"] == metric["ci"]["low"]
    assert len(record["evaluation_results"]) == len(results["metrics"])
    detailed = record["detailed_evaluation_results"]
    assert detailed["file_path"] == path.relative_to(tmp_path).as_posix()
    assert detailed["checksum"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert detailed["total_rows"] == len(lines) == results["n"]["images"]
    rows = open_run(runs / "good").rows()
    for one in lines:
        sample, _, index = one["sample_id"].rpartition("#")
        row = rows[sample, int(index)]
        assert (one["evaluation"]["score"], one["input"]["raw"]) == (row["score"], row["prompt"])
        assert one["evaluation"]["is_correct"] == (row["parts"]["correct"] == 1.0)


def test_handing_out_a_run_again_gives_the_same_bytes(runs: Path, tmp_path: Path) -> None:
    exported(runs, "good", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json*")}
    exported(runs, "good", tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json*")} == before


def test_rows_that_failed_are_left_out_and_counted(runs: Path, tmp_path: Path) -> None:
    record, lines, _ = exported(runs, "holes", tmp_path)
    check(record, "aggregate")
    results = json.loads((runs / "holes" / "results.json").read_text())
    failed = results["by_status"]["images"]["generation_error"]
    assert failed > 0
    told = record["evaluation_results"][0]["score_details"]["details"]
    assert told["rows_generation_error"] == str(failed)
    assert told["bound_low"] == str(results["metrics"][0]["bounds"]["low"])
    assert len(lines) == results["n"]["images"] - failed


def test_a_withheld_headline_hands_out_nothing(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(runs / "withheld"), "-o", str(tmp_path)]) == 2
    assert "has no headline to hand out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_language_model_that_judged_is_named_and_a_rule_is_not(runs: Path) -> None:
    stored = open_run(runs / "good")
    assert judges(stored.run) == {}
    verifier = {**stored.run["verifier"], "mode": "logprobs", "served": [{"id": "qwen@1", "count": 3}]}
    judged = replace(stored, run={**stored.run, "verifier": verifier, "model": {**stored.run["model"], "id": "a/b"}})
    record = share(judged, ORIGIN).record
    check(record, "aggregate")
    scoring = record["evaluation_results"][0]["metric_config"]["llm_scoring"]
    assert [one["model_info"]["id"] for one in scoring["judges"]] == ["qwen@1"]
    assert share(judged, ORIGIN).place.split("/")[2:4] == ["a", "b"]
    above = replace(stored, run={**stored.run, "model": {**stored.run["model"], "id": "../.."}})
    assert share(above, ORIGIN).place.split("/")[2:4] == ["_", "_"]


def test_the_block_of_lm_eval_prints_with_its_own_table(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pytest.importorskip("lm_eval.utils", reason="lm-eval is not installed").make_table
    capsys.readouterr()
    assert run(["export", "results", str(runs / "good"), "--format", "lm-eval"]) == 0
    block = json.loads(capsys.readouterr().out)
    value = json.loads((runs / "good" / "results.json").read_text())["metrics"][0]["value"]
    assert f"{value:.4f}" in table(block)
    file = tmp_path / "new" / "block.json"
    assert run(["export", "results", str(runs / "withheld"), "--format", "lm-eval", "-o", str(file)]) == 0
    block = json.loads(file.read_text())
    (figures,) = block["results"].values()
    assert "score,none" not in figures
    assert "coverage" in table(block)
