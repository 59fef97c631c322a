"""Every benchmark from end to end: drawn pictures, a scripted verifier, the record, coverage below 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import load_task
from harness.main import run
from tasks.gedit import load as gedit
from tasks.geneval_plus import TAGS as PLUS_TAGS

TASKS: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("geneval2", {}, 90.0),
    ("geneval2", {"scoring": "hard"}, -1.0),
    ("geneval2", {"scoring": "vqascore"}, 90.0),
    ("dsg", {}, 1.0),
    ("dpg", {"questions": "DSG/dsg/data/dsg-1k-anns.csv", "any_version": True}, 100.0),
    ("tifa", {"split": "sample"}, -1.0),
    ("tiif", {}, -1.0),
    ("wise-legacy", {}, 1.0),
    ("wise-verified", {}, 1.0),
    ("t2i-reasonbench", {}, 100.0),
    ("genai-bench", {}, 0.9),
    ("unigenbench", {}, 100.0),
    ("r2i-bench", {}, 1.0),
    ("oneig-alignment", {}, 1.0),
)
"""Tasks, their arguments, and the figure when everything is answered as well as can be (-1: not the same for all)."""


def evaluate(folder: Path, task: str, arguments: dict[str, Any], *more: str, verifier: str = "best=true") -> int:
    flags = ["--task", task, "--task-args", json.dumps(arguments), "--model", "tests.painter", "-v", "quiet"]
    judge = ["--verifier", "tests.oracle", "--verifier-args", verifier]
    return run(["eval", *flags, *judge, "--num-images", "1", "-o", str(folder), *more])


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@pytest.mark.parametrize(("task", "arguments", "best"), TASKS)
def test_a_benchmark_runs_from_end_to_end(
    official: Path,
    tmp_path: Path,
    task: str,
    arguments: dict[str, Any],
    best: float,
) -> None:
    if "questions" in arguments:
        arguments = {**arguments, "questions": str(official / arguments["questions"])}
    assert evaluate(tmp_path / "best", task, arguments, "--limit", "4") == 0
    headline = results(tmp_path / "best")["metrics"][0]
    assert headline["scored"] == headline["planned"] > 0
    if best >= 0.0:
        assert headline["value"] == pytest.approx(best)
    assert run(["validate", str(tmp_path / "best")]) == 0


@pytest.mark.parametrize(("task", "arguments"), [("wise-legacy", {}), ("tiif", {}), ("dsg", {})])
def test_a_judge_that_fails_lowers_coverage_and_withholds_the_headline(
    official: Path,
    tmp_path: Path,
    task: str,
    arguments: dict[str, Any],
) -> None:
    assert evaluate(tmp_path, task, arguments, "--limit", "30", verifier="lost=0.3") == 4
    found = results(tmp_path)
    headline = found["metrics"][0]
    assert found["headline"] is None
    assert 0 < headline["scored"] < headline["planned"]
    assert headline["strict"] < headline["value"]
    assert headline["bounds"]["low"] < headline["value"] < headline["bounds"]["high"]


def test_geneval_plus_counts_what_is_missing_as_wrong_by_the_official_rule_alone(
    official: Path, tmp_path: Path
) -> None:
    task, marks = load_task("geneval-plus", {}), tmp_path / "marks.csv"
    pairs = [[one.id for one in task.samples if one.tags == (tag,)][:2] for tag in PLUS_TAGS]
    marks.write_text("\n".join(["item_id,correct", *(f"{one},1" for one, _ in pairs)]))  # nothing about the other
    ids = ",".join(one for pair in pairs for one in pair)
    figures, rewards = {}, {}
    for rule in (False, True):
        flags = ["--task", "geneval-plus", "--task-args", f"official={rule}".lower(), "--samples", ids, "-v", "quiet"]
        judge = ["--verifier", "recorded", "--verifier-args", f"path={marks}", "-o", str(tmp_path / str(rule))]
        assert run(["eval", "--model", "blank", *flags, *judge]) == (0 if rule else 4)
        found = results(tmp_path / str(rule))
        figures[rule] = (found["headline"], *(found["metrics"][0][key] for key in ("value", "strict")))
        rewards[rule] = json.loads((tmp_path / str(rule) / "run.json").read_text())["reward"]["id"]
    assert figures == {False: (None, 1.0, 0.5), True: ("score", 0.5, 0.5)}
    assert rewards[False] != rewards[True]


def test_dpgs_official_categories_are_of_the_last_image_before_the_gate(official: Path, tmp_path: Path) -> None:
    head = "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,"
    rows = [f"{name},a cat,,{n},{n - 1},entity,whole,entity - whole (cat),Is it {n}?" for name in "ab" for n in (1, 2)]
    table, answers = tmp_path / "chain.csv", tmp_path / "answers.csv"
    table.write_text("\n".join([f"{head}question_natural_language", *rows]))
    said = [f"{name},{index},{n},{'yes' if n == 2 or index < 2 else 'no'}"
            for name in "ab" for index in range(4) for n in (1, 2)]  # fmt: skip
    answers.write_text("\n".join(["item_id,index,proposition_id,answer", *said]))
    found = {}
    for rule in (False, True):
        arguments = {"questions": str(table), "any_version": True, "official": rule}
        flags = ["--task", "dpg", "--task-args", json.dumps(arguments), "--model", "blank", "-v", "quiet"]
        judge = ["--verifier", "recorded", "--verifier-args", f"path={answers}", "-o", str(tmp_path / str(rule))]
        assert run(["eval", *flags, *judge]) == 0
        groups = results(tmp_path / str(rule))["groups"]
        found[rule] = {one["key"]: (one["value"], one["planned"]) for one in groups if one["by"] == "question tag"}
    assert found[False]["entity"] == (50.0, 16)  # of two of four images, both answers
    assert found[True]["entity"] == (50.0, 2)  # of one item's last image, the second answer, whatever the first is


def drawn(folder: Path, names: list[str]) -> Path:
    """A folder of drawn source images."""
    for place, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + place, 12), (place % 256, 80, 120)).save(path)
    return folder


def test_gedit_scores_drawn_edits_on_a_scale_of_ten(official: Path, tmp_path: Path) -> None:
    content = json.loads((official / "GEdit-Bench/gedit_edit.json").read_text())
    names = [row["id"] for row in content.values()]
    images = drawn(tmp_path / "sources", names[:6])
    assert evaluate(tmp_path / "run", "gedit", {"images": str(images)}, "--limit", "6") == 0
    found = results(tmp_path / "run")
    assert found["metrics"][0]["value"] == pytest.approx((8 * 8) ** 0.5)
    parts = {one["name"]: one["value"] for one in found["metrics"]}
    assert (parts["SC"], parts["PQ"]) == (pytest.approx(8.0), pytest.approx(8.0))
    assert found["metrics"][0]["range"] == [0.0, 10.0]


def test_an_edit_whose_source_is_nowhere_is_missing_and_the_run_goes_on(
    official: Path,
    tmp_path: Path,
) -> None:
    content = json.loads((official / "GEdit-Bench/gedit_edit.json").read_text())
    images = drawn(tmp_path / "sources", [row["id"] for row in content.values()][:3])
    assert evaluate(tmp_path / "run", "gedit", {"images": str(images)}, "--limit", "4") == 4
    found = results(tmp_path / "run")
    assert found["by_status"]["images"] == {"missing_image": 1, "ok": 3}


def test_a_run_whose_sources_are_all_nowhere_does_not_begin(
    official: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert evaluate(tmp_path / "run", "imgedit", {}) == 2
    assert "737 of 737 source images were not found" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_imgedit_prints_marks_from_one_to_five(official: Path, tmp_path: Path) -> None:
    content = json.loads((official / "ImgEdit/Benchmark/Basic/basic_edit.json").read_text())
    images = drawn(tmp_path / "sources", [row["id"] for row in list(content.values())[:8]])
    assert evaluate(tmp_path / "best", "imgedit", {"images": str(images)}, "--limit", "8") == 0
    best = results(tmp_path / "best")["metrics"][0]
    assert (best["value"], best["range"]) == (pytest.approx(5.0), [1.0, 5.0])
    some = {"images": str(images), "per_image": True}
    assert evaluate(tmp_path / "some", "imgedit", some, "--limit", "8", verifier="best=false") == 0
    rows = [json.loads(line)["score"] for line in (tmp_path / "some/samples.jsonl").read_text().splitlines()]
    assert set(rows) == {0.5, 1.0}
    assert results(tmp_path / "some")["metrics"][0]["value"] == pytest.approx(1 + 4 * sum(rows) / len(rows))


def test_kris_shows_frames_in_order_and_pools_all_marks(official: Path, tmp_path: Path) -> None:
    rows = json.loads((official / "KRIS-Bench/final_data.json").read_text())
    some = [row for kind in ("temporal_prediction", "multi-element_composition", "viewpoint_change", "biology",
                             "rule-based_reasoning", "anomaly_correction")
            for row in [one for one in rows if one["type"] == kind][:1]]  # fmt: skip
    names = []
    for row in some:
        stored = row["ori_img"] if isinstance(row["ori_img"], list) else [row["ori_img"]]
        names += [f"{row['type']}/{name}" for name in [*stored, *filter(None, [row.get("gt_img")])]]
    images = drawn(tmp_path / "sources", names)
    ids = ",".join(f"{row['type']}/{row['id']}" for row in some)
    assert evaluate(tmp_path / "run", "kris-bench", {"images": str(images)}, "--samples", ids) == 0
    found = results(tmp_path / "run")
    assert found["metrics"][0]["value"] == pytest.approx(100.0)
    assert found["metrics"][0]["planned"] == 3 * 4 + 2 * 4
    keys = {(one["by"], one["key"]) for one in found["groups"]}
    assert {("tag", "Factual"), ("tag", "Natural Science"), ("question tag", "KP")} <= keys
    without = next(one for one in found["groups"] if one["key"].startswith("Logical Reasoning without"))
    assert without["planned"] == 3


def test_rise_heads_with_the_share_of_complete_items(official: Path, tmp_path: Path) -> None:
    ids = "logical_reasoning_1,logical_reasoning_10,spatial_reasoning_8,causal_reasoning_13"
    assert evaluate(tmp_path / "best", "risebench", {}, "--samples", ids) == 0
    best = results(tmp_path / "best")
    assert best["headline"] == "complete"
    assert {one["name"]: one["value"] for one in best["metrics"]}["score"] == pytest.approx(100.0)
    assert evaluate(tmp_path / "half", "risebench", {}, "--samples", ids, verifier="best=false") == 0
    assert results(tmp_path / "half")["metrics"][0]["value"] < 100.0


def test_gedit_reads_the_hub_layout_through_datasets(official: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    picture = tmp_path / "source.png"
    Image.new("RGB", (9, 7), "green").save(picture)
    rows = [
        {"key": key, "task_type": "color_alter", "instruction": f"make it {key}", "instruction_language": language,
         "input_image": str(picture), "Intersection_exist": exists}
        for key, language, exists in (("a", "en", True), ("a", "en", False), ("a", "cn", True))
    ]  # fmt: skip
    table = datasets.Dataset.from_list(rows).cast_column("input_image", datasets.Image())
    (tmp_path / "hub").mkdir()
    table.to_parquet(str(tmp_path / "hub/train-00000.parquet"))
    from tasks.gedit import Arguments

    full = gedit(Arguments(images=str(tmp_path / "hub")))
    assert [one.id for one in full.samples] == ["color_alter/en/a", "color_alter/en/a 2"]
    assert full.samples[0].request.sources[0].size == (9, 7)
    assert len(gedit(Arguments(images=str(tmp_path / "hub"), split="intersection")).samples) == 1
    assert len(gedit(Arguments(images=str(tmp_path / "hub"), language="cn")).samples) == 1
