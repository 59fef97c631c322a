"""Recorded answers: run folders and published layouts are scored again exactly, and what is missing stays missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.assemble import build_reward, load_task
from harness.main import run
from reward.detection import Detection, read_detections
from reward.recorded_boxes import boxes_of_row, written
from reward.rules_geneval import Thresholds, judge, kept, outcome
from reward.verifier_recorded import Arguments, build
from tasks.key import seed_for
from tasks.sample import Generation, Response, Sample
from tasks.task import Task
from tests.test_geneval import PICTURE


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def figures(folder: Path) -> list[tuple[str, Any, Any, Any]]:
    metrics = results(folder)["metrics"]
    return [(one["name"], one["value"], one["scored"], one["strict"]) for one in metrics]


def evaluate(folder: Path, task: str, path: Path, arguments: Mapping[str, Any], *more: str, **given: Any) -> int:
    flags = ["--task", task, "--task-args", json.dumps(dict(arguments)), "-v", "quiet", "-o", str(folder)]
    verifier = ["--verifier", "recorded", "--verifier-args", json.dumps({"path": str(path), **given})]
    return run(["eval", "--model", "blank", *flags, *verifier, *more])


def scores(task: Task, path: Path, samples: Sequence[Sample], index: int = 0, **given: Any) -> list[Any]:
    reward = build_reward(task, build(Arguments(path, **given)))
    return reward.score([Generation(one, seed_for(0, one.id, index), Response(PICTURE)) for one in samples])


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("task", ["scenes", "dsg", "wise-legacy", "t2i-reasonbench"])
def test_a_run_folder_is_scored_again_to_the_same_figures(official: Path, tmp_path: Path, task: str) -> None:
    flags = ["--task", task, "--limit", "12", "--num-images", "1", "-v", "quiet"]
    judge = ["--verifier", "tests.oracle", "--verifier-args", "lost=0.2"]
    assert run(["eval", "--model", "tests.painter", *flags, *judge, "-o", str(tmp_path / "first")]) == 4
    assert evaluate(tmp_path / "again", task, tmp_path / "first", {}, *flags[2:6]) == 4
    assert figures(tmp_path / "again") == figures(tmp_path / "first")
    first, again = (results(tmp_path / name)["by_status"]["images"]["ok"] for name in ("first", "again"))
    assert first == again > 0


def test_dsgs_published_answers_are_read_for_one_model(official: Path, tmp_path: Path) -> None:
    task = load_task("dsg", {"split": "tifa160"})
    samples = task.samples[:3]
    rows = [
        {"dsg_prompt_split": "tifa160", "qg_model": "dsg", "t2i_model": model, "item_id": sample.id,
         "question": one.text, "question_id": one.id, "dependency_id": 0,
         "answer": "no" if model == "b" and one.id == "1" else "yes"}
        for model in ("a", "b") for sample in samples[:2] for one in sample.questions
    ]  # fmt: skip
    path = write_table(tmp_path / "answers.csv", rows)
    assert [one.value for one in scores(task, path, samples, model="a")] == [1.0, 1.0, None]
    lower = scores(task, path, samples, model="b")
    children = [sum("1" in (one.id, *one.needs) for one in sample.questions) for sample in samples[:2]]
    wanted = [1 - count / len(sample.questions) for count, sample in zip(children, samples, strict=False)]
    assert [one.value for one in lower[:2]] == pytest.approx(wanted)
    assert (lower[2].status, "nothing is recorded about sample" in lower[2].error) == ("skipped", True)
    with pytest.raises(ValueError, match="two different answers about 1 of sample"):
        build(Arguments(path))
    with pytest.raises(ValueError, match="holds no answers about c"):
        build(Arguments(path, model="c"))


def test_wises_marks_are_read_by_their_names_and_failures_stay_unscored(official: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    rows = [
        {"prompt_id": 1, "Subcategory": "Festival", "consistency": 2, "realism": 1, "aesthetic_quality": 0.0},
        {"prompt_id": 2, "consistency": 9.9, "realism": 9.9, "aesthetic_quality": 9.9},
        {"prompt_id": 3, "consistency": 2, "realism": 1},
        {"prompt_id": 4, "evaluation": "Consistency: 1\nRealism: 2\nAesthetic Quality: 2"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    task = load_task("wise-legacy", {})
    found = scores(task, path, task.samples[:5])
    assert [one.value for one in found] == [pytest.approx(0.8), None, None, pytest.approx(0.65), None]
    assert "no mark is recorded for 'Aesthetic Quality'" in found[2].error


def test_viescores_json_and_gedits_tables_are_the_same_edit(official: Path, tmp_path: Path) -> None:
    task = load_task("gedit", {})
    sample, guessed = task.samples[:2]
    keys = [one.id.rpartition("/")[2] for one in (sample, guessed)]
    folder = tmp_path / "vie"
    folder.mkdir()
    for group, marks in (("SC", [9, 7]), ("PQ", [8, 8])):
        content = {f"{keys[0]}.png": {"score": marks, "reasoning": "so"},
                   f"{keys[1]}.png": {"score": [3, 3], "reasoning": "guess_if_cannot_parse | 3"}}  # fmt: skip
        (folder / f"{group}.json").write_text(json.dumps(content))
    row = {"key": keys[0], "edited_image": "x.png", "instruction": "i", "sementics_score": 7.0, "quality_score": 8,
           "intersection_exist": True, "instruction_language": "en"}  # fmt: skip
    table = write_table(tmp_path / "model_background_change_en_vie_score.csv", [row])
    ids = f"{sample.id},{guessed.id}"
    for name, path in (("json", folder), ("table", table)):
        assert evaluate(tmp_path / name, "gedit", path, {}, "--samples", ids) == 4  # no source image is at hand
        values = [json.loads(line)["score"] for line in (tmp_path / name / "samples.jsonl").read_text().splitlines()]
        assert values == [pytest.approx((0.7 * 0.8) ** 0.5), None]


def test_tiifs_json_for_each_picture_is_told_apart_by_length(official: Path, tmp_path: Path) -> None:
    task = load_task("tiif", {})
    sample = next(one for one in task.samples if one.id == "text/3")
    row = {"attribute": "text", "line_idx": 3, "jsonl_file": "text_eval_prompts.jsonl"}
    for length, said in (("short", "yes"), ("long", "no")):
        path = tmp_path / f"flux/text/{length}/3.json"
        path.parent.mkdir(parents=True)
        answers, output = [said] * len(sample.questions), f"{said}, for so it is"
        told = {**row, "desc": f"{length}_description", "model_pred": answers, "model_output": output}
        path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"two different answers about answers of sample text/3"):
        build(Arguments(tmp_path))
    (short,), (long,) = (scores(task, tmp_path, [sample], contains=f"/{one}/") for one in ("short", "long"))
    right = sum(one.worth["yes"] for one in sample.questions) / len(sample.questions)
    assert (short.value, long.value) == (pytest.approx(right), pytest.approx(1 - right))
    short_file = tmp_path / "flux/text/short/3.json"
    short_file.write_text(json.dumps({**row, "model_pred": ["yes"]}))
    (few,) = scores(task, tmp_path, [sample], contains="/short/")
    assert few.status == ("ok" if len(sample.questions) == 1 else "parse_error")


def test_genevals_results_give_back_every_official_outcome(shared: Path) -> None:
    limits = Thresholds()
    for line in (shared / "fixtures/geneval_rules/cases.jsonl").read_text().splitlines()[:300]:
        case = json.loads(line)
        found = [Detection(one["class_name"], tuple(one["box"]), one["score"], one["color"])
                 for one in case["detections"]]  # fmt: skip
        objects = kept(found, case["metadata"]["tag"], limits)
        details = {name: [[*one.box, one.score] for one in some] for name, some in objects.items()}
        row = {"filename": "p/00003/samples/0001.png", "metadata": json.dumps(case["metadata"]),
               "details": json.dumps(details), "correct": case["correct"], "reason": case["reason"]}  # fmt: skip
        again, _ = read_detections(boxes_of_row("a line", row))
        assert outcome(judge(case["metadata"], again, limits)) == (case["correct"], case["reason"])


def test_genevals_results_are_scored_by_prompt_and_image(official: Path, tmp_path: Path) -> None:
    task = load_task("geneval", {})
    sample = next(one for one in task.samples if one.tags == ("colors",))
    (asked,) = sample.reference["include"]
    metadata = dict(sample.reference)
    rows = []
    for index, (correct, reason) in enumerate(
        [(True, ""), (False, f"expected {asked['color']} {asked['class']}>=1, found 0 {asked['color']}; and 1 pink")]
    ):
        rows.append({"filename": f"out/{sample.id}/samples/{index:04d}.png", "tag": "colors", "correct": correct,
                     "reason": reason, "metadata": json.dumps(metadata),
                     "details": json.dumps({asked["class"]: [[0, 0, 9, 9, 0.9]]})})  # fmt: skip
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    values = [scores(task, path, [sample], index)[0].value for index in range(3)]
    assert values == [1.0, 0.0, None]


def test_a_detectors_run_is_scored_again_from_its_clauses(official: Path, tmp_path: Path) -> None:
    flags = ["--task", "geneval", "--samples", "00000,00100,00200,00300,00400,00500", "-v", "quiet"]
    first = ["--model", "tests.painter", "--verifier", "tests.finder", "-o", str(tmp_path / "first")]
    assert run(["eval", *flags, *first]) == 0
    assert evaluate(tmp_path / "again", "geneval", tmp_path / "first", {}, *flags[2:4]) == 0
    assert figures(tmp_path / "again") == figures(tmp_path / "first")


def test_equal_scores_keep_their_order(tmp_path: Path) -> None:
    boxes = {"dog": [[0, 0, 1, 1, 0.9], [5, 5, 6, 6, 0.9]]}
    again = kept(read_detections(written(boxes, {"dog": ["red"]}))[0], "colors", Thresholds())["dog"]
    assert [(one.box[0], one.colour) for one in again] == [(0.0, "red"), (5.0, "")]


def test_a_doubt_about_names_stops_instead_of_guessing(official: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text('{"sample": "1", "answer": "yes"}')
    task = load_task("r2i-bench", {})
    same = [one for one in task.samples if one.id.endswith("/1")][:2]
    with pytest.raises(ValueError, match="the recorded name '1' could mean sample"):
        scores(task, path, same)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", "nothing", "line 1 of .* is not JSON"),
        ("a.jsonl", '{"answer": "yes"}', "names no sample; it has: answer"),
        ("a.jsonl", '{"sample": 1, "index": "x", "answer": "yes"}', "the index 'x', which is no whole number"),
        (
            "a.jsonl",
            '{"sample": 1, "question": 1, "answer": "y", "probabilities": {"y": "z"}}',
            "no mapping from tokens",
        ),
        ("a.csv", "sample,answer\n", "holds no answers"),
        ("a.json", "[1]", "'1', which is no row"),
        ("a.json", '{"model_pred": ["yes"]}', "has no .line_idx., which the layout .tiif. needs"),
        ("a.txt", "", "holds neither verdicts.jsonl nor any"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said):
        build(Arguments(tmp_path))
