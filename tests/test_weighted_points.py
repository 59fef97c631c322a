"""UniGenBench and R2I-Bench: many points in one reply, pooled by dimension or weighed by the data."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from tasks.sample import Generation, Response
from tests.judge import ScriptedJudge

PICTURE = Image.new("RGB", (8, 8), "red")
ENGLISH = {"Action": 263, "Style": 250, "Attribute": 234, "Relationship": 197, "Compound": 194, "Grammar": 187,
           "World Knowledge": 158, "Entity Layout": 134, "Logical Reasoning": 109, "Text Generation": 87}  # fmt: skip


def score(task: str, sample: str, reply: str, **arguments: Any) -> Any:
    loaded = load_task(task, arguments)
    found = next(one for one in loaded.samples if one.id == sample)
    return build_reward(loaded, ScriptedJudge({"": reply})).score([Generation(found, 1, Response(PICTURE))])[0]


@pytest.mark.parametrize("split", ["en", "zh"])
def test_unigenbench_has_its_points_by_primary_dimension_in_both_languages(official: Path, split: str) -> None:
    task = load_task("unigenbench", {"split": split})
    tags = [one.tag for sample in task.samples for one in sample.questions]
    assert Counter(tag.partition(" - ")[0] for tag in tags) == ENGLISH
    assert len(set(tags)) == 27
    assert task.weights.keys() == ENGLISH.keys()


def test_the_broken_cell_of_the_long_prompts_is_read_and_told(official: Path) -> None:
    task = load_task("unigenbench", {"split": "en_long"})
    assert len(task.samples[509].questions) == 5
    assert "prompt 509: a comma is missing between two test points; it is read as if there" in task.findings


def test_unigenbench_wants_two_lists_with_an_entry_for_every_point(official: Path) -> None:
    good = "<analysis>['a', 'b', 'c']</analysis><score>[1, 0, 1]</score>"
    assert [one.value for one in score("unigenbench", "0", good).verdicts] == [1.0, 0.0, 1.0]
    for hostile in (good.replace("[1, 0, 1]", "[1, 0]"), good.replace("'a', ", ""), good.replace("[1, 0", "[2, 0"),
                    good + good, "<score>[1, 0, 1]</score>", "[1, 0, 1]"):  # fmt: skip
        assert score("unigenbench", "0", hostile).value is None


def test_r2i_weighs_its_questions_and_values_between_the_ends_count(official: Path) -> None:
    with (official / "R2I-Bench/data/evaluation/logical/abductive_eval.csv").open(newline="") as file:
        weights = [float(row["weight"]) for row in csv.DictReader(file) if row["source_id"] == "1"]
    marks = [0.5, *[1.0] * (len(weights) - 1)]
    reply = {str(place): mark for place, mark in enumerate(marks, start=1)}
    found = score("r2i-bench", "logical/abductive/1", str(reply).replace("'", '"'))
    assert found.value == pytest.approx(sum(w * m for w, m in zip(weights, marks, strict=True)) / sum(weights))
    del reply["2"]
    assert score("r2i-bench", "logical/abductive/1", str(reply).replace("'", '"')).value is None


def test_r2i_keys_by_row_leaves_out_what_cannot_be_scored_and_says_so(official: Path) -> None:
    task = load_task("r2i-bench", {})
    twice = next(one for one in task.samples if one.id == "mathematical/combinatorial/7")
    assert len({one.id for one in twice.questions}) == len(twice.questions)
    assert "arrangement" in twice.reference["rule"]
    assert {one for one in task.findings if "left out" in one} == {
        *(f"{name}: has no questions, so it is left out" for name in (
            "commonsense/temporal_understanding/99", "commonsense/temporal_understanding/100",
            "mathematical/set_theory/99", "mathematical/set_theory/100",
            "numerical/approximate_number_generation/101")),
        "data/prompts/concept_mixing/concept_mixing_functional_mixing.csv: its 80 prompts have no questions, so they "
        "are left out",
        "data/evaluation/mathematical/mathematical_function_eval.csv: its 593 questions have no prompts, so they are "
        "left out",
    }  # fmt: skip
    assert "mathematical/combinatorial/7: has the question id 4 twice" in task.findings
    tags = Counter(one.tags[0] for one in task.samples)
    assert tags == {"logical": 630, "commonsense": 693, "mathematical": 698, "compositional": 311, "numerical": 300,
                    "concept_mixing": 100, "causal": 151}  # fmt: skip


def test_r2i_official_leaves_four_kinds_of_common_sense_out(official: Path) -> None:
    ours, theirs = (load_task("r2i-bench", {"official": one}) for one in (False, True))
    gone = {one.id for one in ours.samples} - {one.id for one in theirs.samples}
    assert {one.split("/")[1] for one in gone} == {"affordance", "attribute", "color", "emotion_intention_commonsense"}
    assert (ours.decimals, theirs.decimals) == ({}, {"image": 2, "tag": 2})
