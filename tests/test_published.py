"""Published figures recomputed by our headlines, and the tables of published figures that ship with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.published import lines_of, main, parity
from tasks.registry import TASKS

ROOT = Path(__file__).parent.parent
REPORTED = sorted((ROOT / "leaderboards/boards/reported").glob("*.json"))


def test_every_published_figure_is_reproduced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(parity())


def test_figures_that_differ_from_print_differ_as_they_should() -> None:
    found = {(one.task, one.model, one.note): one.ours for one in parity() if one.figure == "headline"}
    assert found["imgedit", "BAGEL", "over types; 3.28 is printed"] == pytest.approx(3.33, abs=0.005)
    assert found["imgedit", "BAGEL", "over images; 3.28 is printed"] == pytest.approx(3.22, abs=0.005)
    weighted = next(one for (task, model, note), one in found.items() if task == "wise-legacy" and "weights" in note)
    assert weighted == pytest.approx(0.50, abs=0.005)


def test_a_golden_row_with_another_tag_is_refused() -> None:
    row = {"task": "wise-verified", "model": "m", "figures": {"culture": 1.0}, "published": {}, "within": 0.0}
    with pytest.raises(ValueError, match="other tags than the benchmark"):
        lines_of(row)


def test_a_task_has_a_golden_row_or_says_why_it_has_none() -> None:
    golden = {one.task for one in parity()}
    for name, module in TASKS.items():
        text = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8").split('"""')[1]
        why = any(word in text for word in ("golden", "published", "reproduce"))
        if not name.startswith("scenes"):
            assert name in golden or why, f"{name} has neither a golden row nor a reason in {module}"


@pytest.mark.parametrize("path", REPORTED, ids=lambda path: path.stem)
def test_a_reported_table_has_a_source_a_judge_and_figures_on_its_scale(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert set(found) - {"note"} == {"schema_version", "task", "set", "source", "judge", "scale", "columns", "rows"}
    assert found["source"]["url"].startswith("https://")
    assert found["judge"]
    for row in found["rows"]:
        assert len(row["values"]) == len(found["columns"])
        assert all(value is None or 0 <= value <= found["scale"] for value in row["values"])
