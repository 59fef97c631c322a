"""harness plot: what is drawn, readable in grey, the same bytes twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.main import run
from harness.stored_run import open_run
from leaderboards.plot import coverage_bars, radar, tag_bars

FAST = ["eval", "--model", "tests.copyist", "--task", "tests.gallery", "--verbosity", "quiet"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, arguments in {"weak": "skill=0.4", "good": "skill=0.9,fail_on=diamond"}.items():
        assert run([*FAST, "-a", arguments, "--min-coverage", "0.5", "-o", str(folder / name)]) == 0
    lines = [json.dumps({"step": step, "reward": 0.5 + 0.01 * step, "note": "x"}) for step in range(5)]
    (folder / "training").mkdir()
    (folder / "training" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_all_plots_are_written_as_png_and_svg_and_are_the_same_twice(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(runs / name) for name in ("weak", "good", "training")]
    assert run(["plot", *given, "-o", str(tmp_path / "one")]) == 0
    assert run(["plot", *given, "-o", str(tmp_path / "two"), "--kind", "bars"]) == 0
    names = {f"{name}.{form}" for name in ("bars", "radar", "coverage", "curves") for form in ("png", "svg")}
    assert {path.name for path in (tmp_path / "one").iterdir()} == names
    for path in (tmp_path / "two").iterdir():
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes()
    with Image.open(tmp_path / "one" / "bars.png") as image:
        colours = image.convert("RGB").getcolors(1 << 20) or []
    assert all(max(colour) - min(colour) < 8 for _, colour in colours)
    assert "counting" in (tmp_path / "one" / "bars.svg").read_text()


def results(runs: Path) -> dict[str, Any]:
    return {name: open_run(runs / name).results for name in ("weak", "good")}


def test_bars_stand_at_the_figures_and_intervals_reach_their_ends(runs: Path) -> None:
    found = results(runs)
    axes = tag_bars(found).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    for one in found.values():
        assert any(height == pytest.approx(one["metrics"][0]["value"]) for height in heights)
    assert len(heights) == 2 * (6 + 1)
    assert len({bar.get_hatch() for bar in axes.patches}) == 2


def test_coverage_adds_up_to_all_that_was_planned(runs: Path) -> None:
    axes = coverage_bars(results(runs)).axes[0]
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(4.0)
    assert any(bar.get_width() == pytest.approx(4 / 24) for bar in axes.patches)


def test_a_radar_needs_three_tags(runs: Path) -> None:
    some = {"few": {**results(runs)["weak"], "groups": results(runs)["weak"]["groups"][:2]}}
    with pytest.raises(ValueError, match="at least 3 tags that all runs have a figure for, not 2"):
        radar(some)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs run folders"),
        (["nowhere"], "nowhere is no run folder"),
        (["{runs}/weak", "--kind", "bar"], "no plot named 'bar'; did you mean 'bars'"),
        (["{runs}/weak", "--kind", "curves"], "there is no training run to draw curves of"),
        (["{runs}/training", "--kind", "radar"], "there is no run folder to draw radar of"),
    ],
)
def test_a_mistake_is_one_sentence(
    runs: Path, arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plot", *(one.format(runs=runs) for one in arguments), "-o", str(tmp_path / "plots")]) == 2
    assert said in capsys.readouterr().err
