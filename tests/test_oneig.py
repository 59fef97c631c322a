"""OneIG-Bench: dependencies, the two readings of a yes, and what the data say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from tasks.sample import Generation, Response
from tests.judge import ScriptedJudge

PICTURE = Image.new("RGB", (8, 8), "red")


def alignment(script: dict[str, Any], **arguments: Any) -> Any:
    task = load_task("oneig-alignment", arguments)
    return build_reward(task, ScriptedJudge(script)).score([Generation(task.samples[0], 1, Response(PICTURE))])[0]


def test_a_child_of_a_no_is_worth_nothing_but_its_own_children_stand_alone(official: Path) -> None:
    found = alignment({"Are there boys?": "No", "": "Yes."})
    assert [one.value for one in found.verdicts[:3]] == [0.0, 0.0, 1.0]
    assert len(found.verdicts) == 20
    assert found.value == pytest.approx((20 - 3) / 20)  # question 8 needs question 1 as well


def test_the_official_reading_takes_yes_with_a_full_stop_for_no(official: Path) -> None:
    assert alignment({"": "Yes"}, official=True).value == 1.0
    assert alignment({"": "Yes."}, official=True).value == 0.0
    assert alignment({"": "Perhaps"}, official=True).value is None


def test_self_parents_are_told_and_chinese_questions_go_with_chinese_prompts(official: Path) -> None:
    task = load_task("oneig-alignment", {})
    assert [one for one in task.findings if "own parent" in one] == [
        "anime/192 question 19: is its own parent",
        "object/038 question 15: is its own parent",
    ]
    assert not any("does not exist" in one for one in task.findings)
    assert load_task("oneig-alignment", {"language": "zh"}).samples[0].request.prompt.startswith("4男孩")
    with pytest.raises(ValueError, match="say language=zh"):
        load_task("oneig-alignment", {"multilingualism": True})
