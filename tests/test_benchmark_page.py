"""docs/benchmarks.md and `harness ls tasks --json` say what the tasks are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.assemble import load_task
from harness.benchmark_page import PAGE, cards, page
from harness.main import run
from tasks.registry import TASKS


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m harness.benchmark_page`"


def test_every_benchmark_has_a_card() -> None:
    assert {name for name in TASKS if not name.startswith("scenes")} - {"questions"} == set(cards())


def test_ls_tasks_tells_licence_counts_judge_and_calls(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ls", "tasks", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["wise-legacy"]["calls"] == 1000
    assert found["geneval2"]["licence"].startswith("CC BY-NC 4.0")
    assert found["geneval2"]["free_to_redistribute"] is False
    assert found["dpg"]["images"] == 4260
    assert found["dpg"]["calls"] is None
    assert "summary" in found["scenes"]


@pytest.mark.parametrize("name", ["geneval2", "dsg", "tiif", "wise-legacy", "t2i-reasonbench", "gedit", "kris-bench",
                                  "unigenbench", "r2i-bench", "oneig-alignment",
                                  "t2i-compbench-attributes"])  # fmt: skip
def test_a_card_counts_what_the_task_has(official: Path, name: str) -> None:
    task, card = load_task(name, {}), cards()[name]
    assert (len(task.samples), task.images, task.reward.kind) == (card.prompts, card.images, card.kind)
    assert task.licence == card.origin.licence
    groups = {(sample.id, one.group) for sample in task.samples for one in sample.questions}
    described = len(task.samples) if name == "t2i-reasonbench" else 0
    asked = len(groups) + described if card.kind == "rubric" else sum(len(one.questions) for one in task.samples)
    assert asked * task.images == card.calls
