"""harness calibrate: figures held to scipy and to hand-made answers, sets whose truth is known, floors."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import kendalltau, mannwhitneyu, pearsonr, spearmanr

from harness.agreement import pairwise_accuracy
from harness.calibration import answers_of, auc, calibration_error, figure, moved, ranks, reliability
from harness.disturbance import DISTURBANCES
from harness.json_lines import read_lines
from harness.known import known_scenes
from harness.main import run
from reward.verifier import Query, Reply


def drawn(count: int, seed: int) -> tuple[list[float | None], list[float], list[str]]:
    random = np.random.default_rng(seed)
    truths = (random.random(count) < 0.4).astype(float)
    values = np.round(np.clip(0.3 * truths + random.random(count) * 0.7, 0, 1), 2)  # rounded, so that there are ties
    return list(values), list(truths), [f"picture {number // 4}" for number in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_auc_and_rank_correlations_are_those_of_scipy(seed: int) -> None:
    values, truths, pictures = drawn(200, seed)
    answers = answers_of(values, truths, pictures)
    yes, no = (answers.values[answers.truths == side] for side in (1.0, 0.0))
    assert auc(answers, np.ones((1, 200)))[0] == pytest.approx(mannwhitneyu(yes, no).statistic / len(yes) / len(no))
    found = ranks(answers)
    assert found["spearman"]["value"] == pytest.approx(spearmanr(values, truths).statistic)
    assert found["kendall"]["value"] == pytest.approx(kendalltau(values, truths).statistic)
    assert found["pearson"]["value"] == pytest.approx(pearsonr(values, truths).statistic)
    for name in ("spearman", "kendall", "pearson"):
        assert found[name]["ci"]["low"] < found[name]["value"] < found[name]["ci"]["high"]


def test_pairwise_accuracy_takes_the_threshold_under_which_most_pairs_agree() -> None:
    random = np.random.default_rng(4)
    ratings = random.integers(1, 6, 40) / 1.0
    scores = np.round(64 * (ratings / 5 + random.normal(0, 0.15, 40))) / 64  # exact in half the precision
    found = pairwise_accuracy(scores, ratings)
    assert found is not None

    def agreeing(threshold: float) -> int:
        pairs = ((one, other) for one in range(40) for other in range(one))
        return sum(
            (np.sign(ratings[one] - ratings[other]) == np.sign(scores[one] - scores[other]))
            if abs(scores[one] - scores[other]) > threshold
            else ratings[one] == ratings[other]
            for one, other in pairs
        )

    best = max(agreeing(one) for one in {0.0, *np.abs(np.subtract.outer(scores, scores)).ravel()})
    assert found.value == pytest.approx(best / 780)
    assert agreeing(found.threshold) == best
    assert pairwise_accuracy([0.5], [1.0]) is None
    assert pairwise_accuracy([0.1, 0.2, 0.3], [3, 3, 3]).value == 1.0  # type: ignore[union-attr]


def test_weights_of_a_resample_count_like_copies() -> None:
    values, truths, pictures = drawn(40, 5)
    once = answers_of(values, truths, pictures)
    copies = [place for place in range(40) for _ in range(1 + place % 3)]
    weights = np.array([[1.0 + place % 3 for place in range(40)]])
    many = answers_of(*([column[place] for place in copies] for column in (values, truths, pictures)))  # type: ignore[arg-type,attr-defined]
    ones = np.ones((1, len(copies)))
    assert auc(once, weights)[0] == pytest.approx(auc(many, ones)[0])
    assert calibration_error(once, weights)[0] == pytest.approx(calibration_error(many, ones)[0])


def test_the_calibration_error_of_an_example_worked_by_hand() -> None:
    # bin .9: three answers of .95, two true: |2/3 - .95| = .28333; bin .2: two of .25, one true: .25
    answers = answers_of([0.95, 0.95, 0.95, 0.25, 0.25], [1.0, 1.0, 0.0, 1.0, 0.0], list("abcde"))
    assert figure("ece", answers)["value"] == pytest.approx(0.6 * 0.283333 + 0.4 * 0.25, abs=1e-6)
    assert figure("accuracy", answers)["value"] == pytest.approx(0.6)
    assert figure("brier", answers)["value"] == pytest.approx((2 * 0.0025 + 0.9025 + 0.5625 + 0.0625) / 5)
    assert [(one["n"], one["true"]) for one in reliability(answers) if one["n"]] == [
        (2, 0.5),
        (3, pytest.approx(2 / 3)),
    ]


def test_what_is_unanswered_is_in_no_figure_and_nothing_is_made_up() -> None:
    assert figure("auc", answers_of([None, None], [1.0, 0.0], ["a", "b"])) == {"value": None, "ci": None}
    assert figure("auc", answers_of([0.9, None], [1.0, 0.0], ["a", "b"])) == {"value": None, "ci": None}
    some = answers_of([0.9, None, 0.2, 0.8], [1.0, 1.0, 0.0, 0.0], list("abcd"))
    assert figure("accuracy", some)["value"] == pytest.approx(2 / 3)


def test_a_perfect_figure_has_an_interval_of_some_width() -> None:
    perfect = figure("accuracy", answers_of([0.9, 0.1] * 20, [1.0, 0.0] * 20, [str(one // 2) for one in range(40)]))
    assert perfect["ci"]["high"] == 1.0
    assert perfect["ci"]["low"] == pytest.approx(0.025 ** (1 / 20))


def test_questions_of_one_picture_are_not_independent() -> None:
    values, truths, _ = drawn(200, 1)
    apart = figure("accuracy", answers_of(values, truths, [str(one) for one in range(200)]))["ci"]
    repeated = [one for one in range(50) for _ in range(4)]
    alike = answers_of([values[one] for one in repeated], [truths[one] for one in repeated], list(map(str, repeated)))
    together = figure("accuracy", alike)["ci"]
    assert together["high"] - together["low"] > 1.5 * (apart["high"] - apart["low"])


def test_what_moves_is_counted_on_what_both_answered() -> None:
    found = moved([0.9, 0.1, 0.6, None, 0.7], [0.8, 0.1, 0.4, 0.9, None], list("abcde"))
    assert (found["n"], found["lost"]) == (3, 1)
    assert found["flipped"]["value"] == pytest.approx(1 / 3)
    assert found["moved"] == pytest.approx(0.1)


def test_the_scenes_ask_for_yes_as_often_as_for_no_and_are_always_the_same() -> None:
    known, again = known_scenes(12, 0), known_scenes(12, 0)
    assert [(one.text, one.truth) for one in known.asked] == [(one.text, one.truth) for one in again.asked]
    assert np.mean([one.truth for one in known.asked]) == 0.5
    assert {one.tag for one in known.asked} == {
        "Existence", "Attribute", "Count", "Spatial", "Geometry", "Texture", "Coherence",
    }  # fmt: skip
    assert known_scenes(12, 1).asked[0].image.tobytes() != known.asked[0].image.tobytes()


def test_changes_keep_question_truth_and_place() -> None:
    asked = list(enumerate(known_scenes(2, 0).asked))
    for change in DISTURBANCES.values():
        after = dict(change(asked))
        assert {place: (one.text, one.truth) for place, one in after.items()} == {
            place: (one.text, one.truth) for place, one in asked
        }
    assert [place for place, _ in DISTURBANCES["order"](asked)] == list(range(len(asked)))[::-1]
    assert dict(DISTURBANCES["jpeg"](asked))[0].image.tobytes() != asked[0][1].image.tobytes()


@dataclass(frozen=True, slots=True)
class Arguments:
    """How often this verifier says yes."""

    yes: float = 0.75


@dataclass(frozen=True, slots=True)
class Yea:
    """Says yes to everything, but for blue."""

    yes: float
    id: str = "yea"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "yea", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        replies = []
        for query in queries:
            lost = "blue" in query.text
            replies.append(Reply("refused") if lost else Reply("ok", "yes", {"yes": self.yes, "no": 1 - self.yes}))
        return replies


def build(arguments: Arguments) -> Yea:
    return Yea(arguments.yes)


def calibrate(folder: Path, *more: str) -> list[str]:
    return ["calibrate", "--count", "8", "-v", "quiet", "-o", str(folder), *more]


def test_pixels_pass_a_floor_and_the_report_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*calibrate(tmp_path, "--json", "--disturb", "again"), "--min-accuracy", "0.95"]) == 0
    printed = json.loads(capsys.readouterr().out)
    report = json.loads((tmp_path / "calibration.json").read_text())
    assert printed == report
    assert report["verifier"]["id"].startswith("pixels@")
    assert report["figures"]["auc"]["value"] > 0.99
    assert report["sensitivity"]["again"]["flipped"]["value"] == 0.0
    rows = read_lines(tmp_path / "answers.jsonl")
    assert len(rows) == 2 * report["asked"]
    with Image.open(tmp_path / "reliability.png") as diagram:
        assert diagram.width > 400


def test_a_verifier_that_always_says_yes_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*calibrate(tmp_path, "--verifier", "tests.test_calibrate", "--disturb", ""), "--json"]
    assert run([*arguments, "--min-accuracy", "0.6"]) == 3
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert "below the floor of 60%" in printed.err
    assert report["by_status"].keys() == {"ok", "refused"}
    assert report["abstained"] > 0
    assert report["figures"]["says_yes"]["value"] == 1.0
    assert report["figures"]["auc"]["value"] == 0.5
    assert report["figures"]["spearman"]["value"] is None
    right = report["figures"]["accuracy"]["value"] * report["answered"]
    assert report["right"] == pytest.approx(right / report["asked"])
    assert report["answered"] < report["asked"]


def test_training_refuses_a_verifier_below_its_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--task", "scenes", "-o", str(tmp_path / "run"), "--dry-run", "--require-calibration", "0.9"]
    assert run([*arguments, "--set", "verifier=tests.test_calibrate"]) == 3
    told = capsys.readouterr().err
    assert "the verifier yea answers" in told
    assert "below the floor of 90%" in told
    assert run(arguments) == 0


def test_a_file_of_one_s_own_holds_truths_or_ratings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = known_scenes(6, 3)
    lines, rated = [], []
    for number, one in enumerate(known.asked):
        name = f"{number}.png"
        one.image.save(tmp_path / name)
        lines.append({"image": name, "question": one.text, "truth": "yes" if one.truth else "no", "tag": one.tag})
        rated.append({"image": name, "question": one.text, "rating": 1 + 4 * one.truth})
    for name, rows in (("truth", lines), ("rated", rated)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        assert run([*calibrate(tmp_path / name), "--task", str(tmp_path / f"{name}.jsonl"), "--disturb", ""]) == 0
    reports = [json.loads((tmp_path / name / "calibration.json").read_text()) for name in ("truth", "rated")]
    assert reports[0]["figures"]["accuracy"]["value"] == 1.0
    assert reports[1]["figures"]["spearman"] == reports[0]["figures"]["spearman"]
    assert set(reports[1]["figures"]) == {"spearman", "kendall", "pearson", "pairwise"}
    assert reports[1]["figures"]["pairwise"]["value"] == 1.0  # two ratings, told apart without a fault
    assert not (tmp_path / "rated" / "reliability.png").exists()
    capsys.readouterr()


@pytest.mark.parametrize("name", ["genai-bench", "dsg"])
def test_people_s_ratings_are_held_to_the_pictures_that_are_there(
    name: str, official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    arguments = [*calibrate(out, "--verifier", "tests.test_calibrate"), "-t", name, "--images", str(images)]
    assert run(arguments) == 2
    told = capsys.readouterr().err
    assert "holds none of the rated pictures; one of them would be" in told
    example = Path(told.strip().rpartition(" ")[2])
    example.parent.mkdir()
    Image.new("RGB", (16, 16)).save(example)
    run(arguments)
    report = json.loads((out / "calibration.json").read_text())
    assert (report["asked"], report["rated"]) == (1, True)
    truth = read_lines(out / "answers.jsonl")[0]["truth"]
    assert 1 <= truth <= 5


def test_tifa_s_questions_are_held_to_the_ratings_of_its_captions(
    official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The questions are the user's, so the official captions lie here with two of our own."""
    data, images, out = tmp_path / "data", tmp_path / "images", tmp_path / "out"
    shutil.copytree(official / "TIFA", data / "TIFA")
    shutil.copytree(official / "DSG", data / "DSG")
    arguments = [*calibrate(out, "--verifier", "tests.test_calibrate"), "-t", "tifa", "--images", str(images)]
    images.mkdir()
    assert run([*arguments, "--data", str(data)]) == 2
    assert "lay it beside the captions in the folder of --data" in capsys.readouterr().err
    row = {"caption": "c", "question": "Is it so?", "choices": ["yes", "no"], "answer": "yes", "element_type": "object"}
    file = data / "TIFA/tifa_v1.0/tifa_v1.0_question_answers.json"
    file.write_text(json.dumps([{**row, "id": "coco_738534"}]))
    assert run([*arguments, "--data", str(data)]) == 2
    assert "questions of tifa are about none of the rated captions" in capsys.readouterr().err
    file.write_text(json.dumps([{**row, "id": "coco_738534"}, {**row, "id": "partiprompt_366"}]))
    (images / "mini-dalle").mkdir()
    Image.new("RGB", (16, 16)).save(images / "mini-dalle/partiprompt_366.png")
    assert run([*arguments, "--data", str(data)]) == 0
    report = json.loads((out / "calibration.json").read_text())
    assert (report["against"], report["asked"], report["rated"]) == ("tifa", 1, True)
    marks = [
        int(one["answer"])
        for one in csv.DictReader((data / "DSG/dsg/data/tifa160-likert-anns.csv").read_text().splitlines())
        if (one["t2i_model"], one["source_id"]) == ("mini-dalle", "partiprompt_366")
    ]
    assert read_lines(out / "answers.jsonl")[0]["truth"] == pytest.approx(sum(marks) / len(marks))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "scene"], "no set of known answers named 'scene'; did you mean 'scenes'"),
        (["--task", "dsg"], "--against dsg needs it: FOLDER/MODEL/ID.png"),
        (["--images", "x"], "--against scenes brings its own pictures"),
        (["--disturb", "jpg"], "no change that leaves the truth alone named 'jpg'; did you mean 'jpeg'?"),
        (["--count", "0"], "--count is a number of pictures"),
        (["--min-accuracy", "80"], "--min-accuracy must lie between 0 and 1"),
        (["--task", "nowhere.jsonl"], "the file nowhere.jsonl cannot be read"),
        (["--verifier", "pixel"], "no verifier named 'pixel'"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*calibrate(tmp_path / "out"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"image": "a.png", "question": "x"}', "line 1 of FILE has no truth"),
        ('{"image": "a.png", "question": "x", "truth": "maybe"}', "truth is \"maybe\", not yes or no"),
        ('{"image": "a.png", "question": "x", "rating": "high"}', "rating is \"high\", not a number"),
        ('{"image": "a.png", "question": "x", "truth": true, "tags": 1}', "no key named 'tags'; did you mean 'tag'"),
        ('{"image": "a.png", "question": "x", "truth": true}', "the picture"),
        ("{broken", "line 1 of FILE is not JSON"),
        ("", "holds no questions"),
    ],
)  # fmt: skip
def test_a_line_that_is_wrong_is_named(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "known.jsonl"
    file.write_text(line)
    assert run([*calibrate(tmp_path / "out"), "--task", str(file)]) == 2
    assert said.replace("FILE", str(file)) in capsys.readouterr().err
