"""--refine: which pictures are drawn again, what is recorded of it, and which gates there may not be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.assemble import build_reward, build_verifier, load_task
from harness.json_lines import read_lines
from harness.main import run
from harness.stored_picture import stored_picture
from tasks.sample import Generation, Response
from tests.test_record import validator

MENDER = ["eval", "--model", "tests.mender", "--limit", "6", "--num-images", "4", "-v", "quiet"]
KEY = "sample", "index"


def refined(folder: Path, *more: str, code: int = 0) -> dict[str, Any]:
    """The block `refinement` of a run."""
    assert run([*MENDER, "--refine", "1", *more, "-o", str(folder)]) == code
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())["refinement"]
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run without what differs from time to time."""
    found = sorted(read_lines(folder / "samples.jsonl"), key=lambda row: [row[name] for name in KEY])
    for row in found:
        row["refinement"].pop("seconds")
    return [{name: value for name, value in row.items() if name not in ("seconds", "time")} for row in found]


@pytest.fixture(scope="module")
def plain_share(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many of the 24 pictures are drawn plain at first."""
    folder = tmp_path_factory.mktemp("plain")
    assert run([*MENDER, "-o", str(folder)]) == 0
    count = sum(row["seed"] % 2 for row in read_lines(folder / "samples.jsonl"))
    assert 0 < count < 24
    assert json.loads((folder / "results.json").read_text())["refinement"] is None
    return count


def test_refining_all_draws_every_picture_again(tmp_path: Path, plain_share: int) -> None:
    found = refined(tmp_path, "-a", "spoils=true")
    assert (found["label"], found["refined"]["count"], found["refined"]["share"]["value"]) == (
        "refine1[gate=all]",
        24,
        1,
    )
    right = 24 - plain_share
    assert found["right"] == {
        "known": 24,
        "before": right,
        "after": plain_share,
        "repaired": plain_share,
        "broken": right,
    }
    assert found["cost"]["forwards_per_image"] == 110
    assert all(len(row["drafts"]) == 1 for row in rows(tmp_path))


def test_the_models_own_word_ends_its_refinement(tmp_path: Path, plain_share: int) -> None:
    found = refined(tmp_path, "-a", "spoils=true", "--gate", "self")
    assert found["refined"]["count"] == plain_share
    assert (found["right"]["repaired"], found["right"]["broken"], found["right"]["after"]) == (plain_share, 0, 24)
    assert found["cost"]["forwards"] == 24 * 10 + plain_share * 100
    for row in rows(tmp_path):
        assert row["refinement"]["verdict"] == ("" if row["drafts"] else "it matches")
        assert [draft["reflection"] for draft in row["drafts"]] == (["wrong"] if row["drafts"] else [])


def test_the_oracle_draws_again_what_the_scorer_marks_wrong_and_says_what_it_is(
    tmp_path: Path, plain_share: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = refined(tmp_path, "-a", "spoils=true", "--gate", "oracle")
    assert (found["refined"]["count"], found["right"]["broken"], found["right"]["after"]) == (plain_share, 0, 24)
    printed = capsys.readouterr().out
    assert "scenes+refine1[gate=oracle]@1" in printed
    assert "an upper bound, no result" in printed
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results["compat"]["lm_eval"]["results"]) == ["scenes+refine1[gate=oracle]"]


def test_a_verifier_is_asked_about_the_prompt_and_refines_what_it_doubts(tmp_path: Path) -> None:
    gate = ["--gate", "verifier", "--gate-verifier", "tests.gatekeeper"]
    found = refined(tmp_path, *gate, "--gate-question", "Is it {prompt}?", "--gate-threshold", "0.3")
    record = json.loads((tmp_path / "run.json").read_text())["refinement"]
    assert found["label"] == "refine1[gate=verifier gatekeeper below 0.3]"
    assert (record["question"], record["threshold"], record["verifier"]["id"]) == ("Is it {prompt}?", 0.3, "gatekeeper")
    for row in rows(tmp_path):
        assert bool(row["drafts"]) == (len(row["prompt"]) % 2 == 0), "the gatekeeper doubts prompts of even length"


def test_a_gate_without_an_answer_is_a_row_without_a_value(tmp_path: Path) -> None:
    gate = ["--gate", "verifier", "--gate-verifier", "tests.gatekeeper", "--gate-verifier-args", "lost=a"]
    refined(tmp_path, *gate, code=4)
    lost = [row for row in read_lines(tmp_path / "samples.jsonl") if row["status"] == "timeout"]
    assert lost
    assert all("gate's verifier gave no decision" in row["error"]["message"] for row in lost)
    assert all(row["score"] is None and row["image"] is None for row in lost)


def test_a_gate_whose_verifier_is_gone_ends_the_run_and_not_the_pictures(tmp_path: Path) -> None:
    gate = ["--gate", "verifier", "--gate-verifier", "tests.gatekeeper", "--gate-verifier-args", "gone_after=8"]
    assert run([*MENDER, "--refine", "1", *gate, "-b", "8", "-o", str(tmp_path)]) == 4
    kept = read_lines(tmp_path / "samples.jsonl")
    assert len(kept) == 8
    assert {row["status"] for row in kept} == {"ok"}


def test_before_is_what_the_reward_says_of_the_draft_in_the_folder(tmp_path: Path) -> None:
    refined(tmp_path)
    task = load_task("scenes", {})
    reward, samples = build_reward(task, build_verifier("pixels", {})), {one.id: one for one in task.samples}
    for row in rows(tmp_path)[::5]:
        draft = row["drafts"][0]
        picture = stored_picture(tmp_path, draft["image"])
        assert picture is not None
        score = reward.score([Generation(samples[row["sample"]], row["seed"], Response(picture))])[0]
        assert (draft["score"], draft["parts"]) == (score.value, dict(score.parts))


def test_rounds_go_on_until_the_model_is_satisfied(tmp_path: Path, plain_share: int) -> None:
    assert run([*MENDER, "--refine", "3", "--gate", "self", "-o", str(tmp_path)]) == 0
    found = rows(tmp_path)
    assert sorted({len(row["drafts"]) for row in found}) == [0, 1]
    assert all(row["refinement"]["verdict"] == "it matches" for row in found)
    assert run([*MENDER, "--refine", "3", "-o", str(tmp_path / "all")]) == 0
    assert {len(row["drafts"]) for row in rows(tmp_path / "all")} == {3}


def test_pictures_first_and_scores_later_give_the_same_rows(tmp_path: Path) -> None:
    refined(tmp_path / "once")
    assert run([*MENDER, "--refine", "1", "-x", "-o", str(tmp_path / "apart")]) == 0
    unscored = json.loads((tmp_path / "apart" / "results.json").read_text())["refinement"]
    assert (unscored["refined"]["count"], unscored["right"]["known"], unscored["figures"]) == (24, 0, [])
    refined(tmp_path / "apart")
    scored = [row for row in rows(tmp_path / "apart") if row["status"] == "ok"]
    assert scored == rows(tmp_path / "once")


def test_a_refined_run_judged_again_is_refined_still_and_its_drafts_are_judged_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = refined(tmp_path / "run", "--gate", "self")
    again = ["score", str(tmp_path / "run"), "--verifier", "tests.flaky", "--verifier-args", "lost=0"]
    assert run([*again, "-o", str(tmp_path / "again"), "-v", "quiet"]) == 0
    after = json.loads((tmp_path / "again" / "results.json").read_text())["refinement"]
    assert after["refined"] == before["refined"]
    assert after["figures"][0]["before"] != before["figures"][0]["before"]
    assert run(["ls", "runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("scenes+refine1[gate=self]@1") >= 2


def test_a_run_that_was_torn_goes_on_exactly(tmp_path: Path) -> None:
    refined(tmp_path / "once", "--gate", "self")
    refined(tmp_path / "torn", "--gate", "self")
    path = tmp_path / "torn" / "samples.jsonl"
    path.write_bytes(path.read_bytes()[: -len(path.read_bytes()) // 3])
    refined(tmp_path / "torn", "--gate", "self")
    assert rows(tmp_path / "torn") == rows(tmp_path / "once")


def test_a_folder_of_another_protocol_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refined(tmp_path)
    for more in ([], ["--refine", "1", "--gate", "self"], ["--refine", "1", "--reflection", "assert_failure"]):
        assert run([*MENDER, *more, "-o", str(tmp_path)]) == 2
        assert "refinement is 'refine1[gate=all]' there" in capsys.readouterr().err


def test_what_a_refined_run_leaves_matches_the_schemas(tmp_path: Path) -> None:
    refined(tmp_path, "--gate", "verifier", "--gate-verifier", "tests.gatekeeper")
    for name in ("run", "results"):
        validator(name).validate(json.loads((tmp_path / f"{name}.json").read_text()))
    for line in read_lines(tmp_path / "samples.jsonl"):
        validator("sample").validate(line)


def test_protocols_are_compared_but_never_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = ["eval", "--model", "tests.mender", "--task", "tests.gallery", "-v", "quiet"]
    assert run([*whole, "-o", str(tmp_path / "drawn")]) == 0
    assert run([*whole, "--refine", "1", "-o", str(tmp_path / "refined")]) == 0
    capsys.readouterr()
    assert run(["compare", str(tmp_path / "drawn"), str(tmp_path / "refined")]) == 0
    assert "gallery" in capsys.readouterr().out
    assert run(["leaderboard", "show", str(tmp_path / "drawn"), str(tmp_path / "refined"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert sorted((row["task"], row["rank"]) for row in found) == [("gallery", 1), ("gallery+refine1[gate=all]", 1)]


def test_each_manner_has_a_folder_of_its_own_where_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    folders = []
    for more in ([], ["--reason"], ["--refine", "1"], ["--reason", "--refine", "2", "--gate", "self"]):
        assert run(["eval", *more, "--dry-run", "--json"]) == 0
        folders.append(json.loads(capsys.readouterr().out)["output_path"].removeprefix("runs/scenes-tiny"))
    assert folders == ["", "-reason", "-refine1-all", "-reason-refine2-self"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--refine", "-1"], "--refine must be 0 or more rounds"),
        (["--refine", "1", "--gate", "orcale"], "no gate named 'orcale'; did you mean 'oracle'?"),
        (["--refine", "1", "--reflection", "opne"], "no reflection named 'opne'; did you mean 'open'?"),
        (["--gate", "all"], "--gate says how --refine works"),
        (["--reflection", "open"], "--reflection says how --refine works"),
        (["--refine", "1", "--gate", "verifier"], "--gate verifier and --gate-verifier NAME need each other"),
        (["--refine", "1", "--gate-verifier", "tiny"], "need each other"),
        (["--refine", "1", "--gate", "self", "--reflection", "assert_failure"], "--gate self needs --reflection open"),
        (["--refine", "1", "--gate", "oracle", "--predict-only"], "--predict-only asks nobody"),
        (["--refine", "1", "--gate", "verifier", "--gate-verifier", "pixels"], "is the one that scores task 'scenes'"),
        (["--refine", "1", "--gate", "verifier", "--gate-verifier", "pixels", "-x"], "is the one that scores"),
        (["--refine", "1", "--gate", "verifier", "--gate-verifier", "nobody"], "no verifier named 'nobody'"),
        (["--refine", "1", "--gate-question", "Is it right?"], "lacks {prompt}"),
        (["--refine", "1", "--gate-threshold", "2"], "--gate-threshold must be above 0"),
        (["--refine", "1", "--task", "scenes-edit"], "task 'scenes-edit' edits images"),
        (["--refine", "1", "--task", "scenes-edit", "--dry-run"], "task 'scenes-edit' edits images"),
        (["--refine", "1", "--model", "tests.painter"], "the model 'tests.painter' cannot look at its own pictures"),
        (["--refine", "1", "--model", "tests.mender", "-a", "blind=true"], "mender has no eyes"),
    ],
)
def test_a_mistake_about_refinement_is_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", "--limit", "1", *arguments, "-o", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "samples.jsonl").exists()
