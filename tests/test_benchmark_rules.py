"""Rules of the benchmarks on rows worked out by hand, and what their judges may answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from harness.model import Cell, RequestFailed, Setting
from harness.model_folder import Arguments, build
from reward.marks import Unreadable, read_marks, value_of
from reward.verifier import Reply
from tasks.geneval2 import forms_of, worth_of
from tasks.proposition import numbers_of, tag_of
from tasks.reasonbench import pairs_of, spelled
from tasks.rise import Arguments as RiseArguments
from tasks.rise import logical, plain
from tasks.sample import Generation, Request, Response
from tasks.scale import whole_marks
from tests.judge import ScriptedJudge

PICTURE = Image.new("RGB", (8, 8), "red")


def score(task: str, sample: str, script: dict[str, Any], **arguments: Any) -> Any:
    """The score of one red picture for one sample of a task, by a judge that follows a script."""
    loaded = load_task(task, arguments)
    found = next(one for one in loaded.samples if one.id == sample)
    return build_reward(loaded, ScriptedJudge(script)).score([Generation(found, 1, Response(PICTURE))])[0]


def test_soft_tifa_is_the_geometric_mean_and_its_arithmetic_mean_stands_beside(official: Path) -> None:
    script = {
        "How many backpacks": Reply("ok", "one", {"one": 0.5, "1": 0.25, "two": 0.25}),
        "How many pigs": Reply("ok", "One", {"One": 0.6, " 1": 0.04, "ONE": 0.36}),
        "Is the backpack green": Reply("ok", "Yes", {"Yes": 0.9, "No": 0.1}),
        "Are there": Reply("ok", "Yes", {" Yes": 1.0}),
    }
    found = score("geneval2", "000", script)
    values = [0.75, 0.9, 1.0, 0.64, 1.0]
    product = 0.75 * 0.9 * 0.64
    assert [one.value for one in found.verdicts] == pytest.approx(values)
    assert found.value == pytest.approx(product ** (1 / 5))
    assert found.parts["arithmetic mean"] == pytest.approx(sum(values) / 5)


def test_white_space_counts_for_numbers_by_the_official_rule_alone() -> None:
    assert " " not in forms_of("How many pigs?", "seven", official=False)
    assert forms_of("How many pigs?", "seven", official=True).keys() == {
        "seven", "Seven", " seven", " Seven", "7", " 7", " "
    }  # fmt: skip
    assert " " not in forms_of("Is it green?", "Yes", official=True)
    assert worth_of("How many pigs?", "two", official=False)["2"] == 1.0


def test_a_judge_without_probabilities_gives_no_soft_value(official: Path) -> None:
    found = score("geneval2", "000", {"": "Yes"})
    assert (found.value, found.status) == (None, "parse_error")


def test_dsg_gates_by_the_parents_own_answer_and_dpg_by_what_is_left_of_it(official: Path, tmp_path: Path) -> None:
    table = tmp_path / "chain.csv"
    head = "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,"
    rows = [f"a,a cat,,{n},{n - 1},entity,whole,entity - whole (cat),Question {n}?" for n in (1, 2, 3)]
    table.write_text("\n".join([f"{head}question_natural_language", *rows]))
    script = {"Question 1": "no", "Question 2": "Yes.", "Question 3": "yes"}
    gated = score("dpg", "a", script, questions=str(table), any_version=True)
    assert [one.value for one in gated.verdicts] == [0.0, 0.0, 0.0]
    (tmp_path / "DSG/dsg/data").mkdir(parents=True)
    (tmp_path / "DSG/dsg/data/dsg-1k-anns.csv").write_text(table.read_text())
    direct = score("dsg", "a", script, data=str(tmp_path), any_version=True)
    assert [one.value for one in direct.verdicts] == [0.0, 0.0, 1.0]
    assert direct.value == pytest.approx(1 / 3)


@pytest.mark.parametrize("answer", ["maybe", "yes and no", "", "yes no"])
def test_an_answer_that_is_no_yes_or_no_leaves_dsg_unscored(official: Path, answer: str) -> None:
    assert score("dsg", "whoops_5", {"": answer}).value is None


def test_wise_legacy_weighs_its_marks_and_takes_no_default(official: Path) -> None:
    good = "Fine.\n**Consistency:** 2\nRealism: 1.\nAesthetic Quality: 0"
    assert score("wise-legacy", "1", {"PROMPT": good}).value == pytest.approx(0.7 + 0.2 * 0.5)
    for hostile in ("Consistency: 2\nRealism: 1", good.replace("2", "3"), good + "\nRealism: 2", "2\n1\n0", "9.9"):
        assert score("wise-legacy", "1", {"PROMPT": hostile}).value is None
    assert score("wise-legacy", "1", {"PROMPT": good + "\nRealism: 2"}, official=True).value == pytest.approx(0.9)
    assert score("wise-legacy", "1", {"PROMPT": "2\n1\n0"}, official=True).value == pytest.approx(0.8)
    assert score("wise-legacy", "1", {"PROMPT": good.replace("2", "7")}, official=True).value is None


def test_the_looser_reading_wants_a_mark_for_every_name() -> None:
    assert read_marks("last marks", "A: 1\nB: **2**\nA: 0", ["A", "B"]) == ["0", "2"]
    with pytest.raises(Unreadable, match="'B' has no mark"):
        read_marks("last marks", "A: 1\nB: 12", ["A", "B"])


def test_tiif_wants_a_line_for_every_question_and_counts_a_no_that_is_right(official: Path) -> None:
    task = load_task("tiif", {})
    sample = next(one for one in task.samples if any(asked.worth["no"] for asked in one.questions))
    count = len(sample.questions)
    lines = [f"{'Yes' if asked.worth['yes'] else 'No'}, as seen" for asked in sample.questions]
    assert score("tiif", sample.id, {"": "\n".join(lines)}).value == pytest.approx(1.0)
    assert score("tiif", sample.id, {"": "\n".join([*lines, "Yes"])}).value is None
    assert score("tiif", sample.id, {"": "Certainly.\n" + "\n".join(["yes"] * count)}).value < 1.0


def test_reasonbench_weighs_seven_to_three_and_asks_groups_after_one_description(official: Path) -> None:
    task = load_task("t2i-reasonbench", {})
    sample = next(one for one in task.samples if one.id == "entity/0001")
    judge = ScriptedJudge({"Describe": "A stadium.", "answer these": '{"reason": [], "score": [1, 0]}'})
    by_group: dict[str, int] = {}
    for asked in sample.questions:
        by_group[asked.group] = by_group.get(asked.group, 0) + 1
    judge.script["answer these"] = [f'{{"reason": [], "score": {[mark] * by_group[group]}}}' for group, mark in
                                    (("main", 1), ("other details", 0.5), ("quality", 0))]  # fmt: skip
    found = build_reward(task, judge).score([Generation(sample, 1, Response(PICTURE))])[0]
    assert found.value == pytest.approx(0.7 * 1 + 0.3 * 0.5)
    assert found.parts["quality"] == 0.0
    assert [len(one.earlier) for one in judge.queries] == [0, 1, 1, 1]
    assert all(sample.request.prompt not in one.text for one in judge.queries)


def test_odd_keys_are_paired_by_prefix_and_number() -> None:
    group = {"sci_q2": "B?", "sci_c2": {"score_1": "yes", "score_0": "no"}, "sci_q1": "A?", "sci_c1": "one"}
    assert list(pairs_of(group)) == [("A?", "one"), ("B?", "1: yes; 0: no")]
    assert spelled({"criteria": {"1": "good"}}) == "criteria: 1: good"


def rise(category: str, row: dict[str, Any], column: set[str] | None = None, **arguments: Any) -> list[str]:
    chosen = logical if category == "logical" else plain
    return sorted(chosen({"category": category, **row}, RiseArguments(**arguments), column or set()))


def test_rise_asks_for_the_marks_that_apply() -> None:
    nan = float("nan")
    assert rise("causal", {"consistency_free": nan}) == ["appearance", "plausibility", "reasoning"]
    assert rise("causal", {"consistency_free": True}) == ["plausibility", "reasoning alone"]
    official = rise("causal", {}, {"consistency_free"}, official=True)
    assert official == ["appearance uncounted", "plausibility", "reasoning alone"]
    assert rise("logical", {"reference_txt": "a"}) == ["logical appearance", "logical reasoning"]


@pytest.mark.parametrize(
    ("appearance", "reasoning", "plausibility", "points"),
    [(5, 5, 5, 5.0), (4, 3, 2, 0.3 * 4 + 0.5 * 3 + 0.2 * 2), (5, 1, 5, 1.5), (2, 1, 1, 1.0)],
)
def test_rise_scores_by_hand_and_halves_a_failed_reasoning(
    official: Path, appearance: int, reasoning: int, plausibility: int, points: float
) -> None:
    script = {"do all aspects": f"Final Score: {appearance}", "thought through": f"Final Scores: {reasoning}",
              "for plausibility": f"Good.\nFinal Score: {plausibility}"}  # fmt: skip
    found = score("risebench", "causal_reasoning_13", script)
    assert 25 * (points - 1) == pytest.approx(100 * found.value)
    assert found.parts["complete"] == float(points == 5.0)


def test_rise_leaves_an_unread_mark_unscored_in_both_figures(official: Path) -> None:
    found = score("risebench", "causal_reasoning_13", {"": "Final Score: 6"})
    assert (found.value, found.parts["complete"]) == (None, None)


@pytest.mark.parametrize(
    "reply", ['{"score": [9]}', '{"score": [9, 11]}', "9, 8", '{"score": [9, 8]} {"score": [1, 1]}']
)
def test_gedit_invents_no_mark(official: Path, reply: str) -> None:
    with pytest.raises(Unreadable):
        success_marks(reply)


def success_marks(reply: str) -> list[float]:
    """The two marks of a reply, from 0 to 1."""
    marks = read_marks("json list", reply, ["success", "over-editing"])
    return [value_of(one, whole_marks(0, 10), between=True) for one in marks]


def test_gedit_asks_in_viescores_own_words_and_reads_numbers_between_marks(official: Path) -> None:
    calls = load_task("gedit", {}).reward.options["calls"]
    assert calls["SC"]["text"].rstrip().endswith("Editing instruction: {prompt}")
    assert calls["SC"]["images"] == ["source", "image"]
    assert success_marks("[7.5, 10]") == pytest.approx([0.75, 1.0])


def test_dependencies_lose_stray_words_and_tags_keep_both_levels() -> None:
    assert numbers_of("5, right, 0") == (["5"], ["right"])
    assert tag_of("attribute - color (cube, purple)") == "attribute - color"
    assert tag_of("global") == "global"


def test_pictures_named_by_their_samples_are_found(tmp_path: Path) -> None:
    for name in ("701.png", "color/a_0.png", "color/a_1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PICTURE.save(tmp_path / name)
    cells = [("701", 0), ("color/a", 0), ("color/a", 1), ("702", 0), ("../a", 0)]
    plan = tuple(Cell(sample, index, seed=place, prompt=f"p{sample}") for place, (sample, index) in enumerate(cells))
    model = build(Arguments(tmp_path), Setting("cpu", plan))
    assert model.record["pictures"] == 3
    assert model.generate([Request("p701")], [0])[0].image.size == (8, 8)  # type: ignore[union-attr]


def test_a_grid_is_cut_into_its_tiles_row_by_row(tmp_path: Path) -> None:
    colours = ("red", "lime", "blue", "white")
    grid = Image.new("RGB", (8, 6))
    for place, colour in enumerate(colours):
        grid.paste(Image.new("RGB", (4, 3), colour), (place % 2 * 4, place // 2 * 3))
    grid.save(tmp_path / "a.png")
    Image.new("RGB", (7, 6)).save(tmp_path / "b.png")
    plan = tuple(Cell(name, index, seed=index, prompt=name) for name in ("a", "b") for index in range(4))
    model = build(Arguments(tmp_path, grid=2), Setting("cpu", plan))
    shown = model.generate([Request("a")] * 4, [0, 1, 2, 3])
    assert [one.image.getpixel((1, 1)) for one in shown] == [  # type: ignore[union-attr]
        Image.new("RGB", (1, 1), one).getpixel((0, 0)) for one in colours
    ]
    grid.paste(Image.new("RGB", (4, 3)), (4, 3))
    grid.save(tmp_path / "a.png")
    with pytest.raises(RequestFailed, match="its tile 3 is all black"):
        model.generate([Request("a")], [3])
    with pytest.raises(RequestFailed, match="no grid of 2 x 2 tiles"):
        model.generate([Request("b")], [0])
