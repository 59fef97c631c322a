"""harness report: the page in a real browser, from file://, with hostile words, two runs and ten thousand pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.main import run
from harness.stored_run import open_run
from leaderboards.exhibit import Exhibit, belief, exhibits
from leaderboards.pass_rate import pass_rates, reliability
from leaderboards.report import Extra, write_report
from leaderboards.thumbnail import SIDE, thumbnails
from tests.copyist import HOSTILE

FAST = ["eval", "--model", "tests.copyist", "--task", "tests.gallery", "--verbosity", "quiet"]
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weak and a good run of 24 pictures; the good one thinks in markup and fails on two prompts."""
    folder = tmp_path_factory.mktemp("runs")
    for name, arguments in {"weak": "skill=0.4", "good": "skill=0.9,hostile=true,fail_on=diamond"}.items():
        assert run([*FAST, "-a", arguments, "--min-coverage", "0.5", "-o", str(folder / name)]) == 0
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with playwright.sync_playwright() as machine:
        found = machine.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Any, report: Path) -> tuple[Any, list[str]]:
    """The page of a report once its pictures stand, and all that the browser complains about."""
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(request.url))
    page.goto((report / "index.html").as_uri())
    page.wait_for_selector("#pictures[data-drawn]")
    return page, said


def cards(page: Any) -> int:
    return int(page.locator(".card").count())


def choose(page: Any, name: str, label: str) -> None:
    before = page.locator("#pictures").get_attribute("data-drawn")
    page.select_option(f"#{name}", label=label)
    page.wait_for_function("before => document.getElementById('pictures').dataset.drawn !== before", arg=before)


@pytest.fixture(scope="module")
def single(runs: Path) -> Path:
    assert run(["report", str(runs / "good")]) == 0
    return runs / "good" / "report"


def test_a_report_shows_every_picture_with_its_questions(browser: Any, single: Path, runs: Path) -> None:
    page, said = opened(browser, single)
    assert cards(page) == 24
    stored = open_run(runs / "good")
    assert page.locator("ul.questions li").count() == len(stored.verdicts())
    first = page.locator(".card").first
    assert stored.rows()["scenes-0001", 0]["prompt"] in first.inner_text()
    assert page.locator(".drawing svg").count() == 1
    page.locator(".card").last.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('img.picture')].pop().naturalWidth === 32")
    assert (single / first.locator("a").get_attribute("href")).is_file()
    assert said == []


def test_filters_leave_what_they_name(browser: Any, single: Path, runs: Path) -> None:
    page, said = opened(browser, single)
    rows = open_run(runs / "good").rows().values()
    choose(page, "tag", "counting")
    assert cards(page) == sum("counting" in row["tags"] for row in rows) == 4
    choose(page, "tag", "all")
    choose(page, "status", "generation_error")
    assert cards(page) == sum(row["status"] == "generation_error" for row in rows) == 4
    assert page.locator(".none").count() == 4
    choose(page, "status", "all")
    choose(page, "kind", "semantic: Count")
    verdicts = open_run(runs / "good").verdicts().items()
    asked = open_run(runs / "good").questions()
    counts = [(key, row["value"]) for key, row in verdicts if asked[key[0]][key[2]]["tag"] == "Count"]
    failed = {key[:2] for key, value in counts if value is not None and value < 0.5}
    assert 0 < cards(page) == len(failed) < 24
    choose(page, "kind", "any or none")
    page.fill("#text", "blue")
    page.wait_for_function("document.querySelectorAll('.card').length < 24")
    assert cards(page) == sum("blue" in row["prompt"] for row in rows)
    page.fill("#text", "")
    choose(page, "order", "lowest score first")
    shown = [one for one in page.locator(".side > div:nth-child(2)").all_inner_texts() if one.startswith("score")]
    assert shown == sorted(shown, key=lambda one: float(one.split()[1]))
    assert said == []


def test_what_a_model_writes_is_text(browser: Any, single: Path) -> None:
    page, said = opened(browser, single)
    page.locator("summary", has_text="thought").first.click()
    assert HOSTILE in page.locator(".words").first.inner_text()
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[onerror]").count() == 0
    assert said == []


def test_two_runs_stand_side_by_side_with_what_turned_first(browser: Any, runs: Path, tmp_path: Path) -> None:
    assert run(["report", str(runs / "weak"), str(runs / "good"), "-o", str(tmp_path)]) == 0
    page, said = opened(browser, tmp_path)
    assert page.locator("h2").first.inner_text() == "After against before"
    assert "difference" in page.locator("table").first.inner_text()
    assert page.locator(".card").first.locator(".side").count() == 2
    turned = [one.locator(".turned").count() for one in page.locator(".card").all()]
    assert turned == sorted(turned, reverse=True)
    assert turned[0] > 0
    choose(page, "flip", "questions gained")
    assert cards(page) == sum(count > 0 for count in turned)
    choose(page, "flip", "questions lost")
    assert cards(page) == 0
    assert said == []


def enlarged(run_folder: Path, copies: int) -> list[Exhibit]:
    """The pictures of a run many times over, as if it had been large."""
    found = exhibits([open_run(run_folder)])
    return [replace(one, key=(f"{one.key[0]}-{copy:04d}", one.key[1])) for copy in range(copies) for one in found]


def test_ten_thousand_pictures_are_paged_and_only_what_is_shown_is_loaded(
    browser: Any, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = enlarged(runs / "good", 417)
    monkeypatch.setattr("leaderboards.report.exhibits", lambda _: many)
    write_report([open_run(runs / "good")], tmp_path, Extra())
    page, said = opened(browser, tmp_path)
    assert cards(page) == 48
    assert page.locator("#place").inner_text() == "page 1 of 209, 10008 of 10008 pictures"
    loaded = page.evaluate("performance.getEntriesByType('resource').filter(one => /rows-/.test(one.name)).length")
    assert loaded <= 2
    page.click("#after")
    page.wait_for_function("document.getElementById('place').textContent.startsWith('page 2')")
    page.wait_for_function("document.querySelector('.card header').textContent.includes('scenes-0001-0002')")
    assert page.locator("#before").is_enabled()
    assert said == []


def test_a_training_run_has_curves_and_its_first_and_last_evaluation(browser: Any, runs: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "training" / "held_out"
    held_out.mkdir(parents=True)
    for step, name in (("step-000000", "weak"), ("step-000010", "good")):
        (held_out / step).symlink_to(runs / name)
    lines = [json.dumps({"step": step, "reward": 0.5 + 0.01 * step, "kl": 0.0}) for step in range(1, 11)]
    (tmp_path / "training" / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "training" / "samples").mkdir()
    Image.new("RGB", (64, 32)).save(tmp_path / "training" / "samples" / "step-000000.png")
    assert run(["report", str(tmp_path / "training")]) == 0
    page, said = opened(browser, tmp_path / "training" / "report")
    assert page.locator("h1").inner_text() == "Training run training, 10 updates"
    assert page.locator(".drawing svg").count() == 2
    assert page.locator("img.sheet").count() == 1
    assert page.locator(".card").first.locator(".side").count() == 2
    assert said == []


def test_one_sample_is_told_in_the_terminal(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(runs / "good"), "--sample", "scenes-0001"]) == 0
    told = capsys.readouterr().out
    assert "image 0  score" in told
    assert told.count("Is the background one plain colour?") == 2
    assert run(["report", str(runs / "good"), "--sample", "scenes-1"]) == 2
    assert "no sample of" in capsys.readouterr().err


def test_a_large_picture_is_made_small_and_a_lost_one_is_told(tmp_path: Path) -> None:
    name, lost = "ab" * 32, "cd" * 32
    path = tmp_path / "images" / "ab" / f"{name}.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (1000, 500), "red").save(path)
    assert thumbnails({name: tmp_path, lost: tmp_path}, tmp_path / "small") == {name}
    with Image.open(tmp_path / "small" / f"{name}.webp") as small:
        assert small.size == (SIDE, SIDE // 2)


def test_pass_rates_count_what_was_met_of_what_was_answered(runs: Path) -> None:
    stored = open_run(runs / "good")
    rates = {one.kind: one for one in pass_rates(exhibits([stored]))}
    asked = stored.questions()
    values = [row["value"] for key, row in stored.verdicts().items() if asked[key[0]][key[2]]["tag"] == "Count"]
    known = [value for value in values if value is not None]
    count = rates["semantic: Count"]
    assert (count.met[0], count.answered[0], count.asked[0]) == (sum(v >= 0.5 for v in known), len(known), len(values))
    assert len(known) < len(values)


def test_p_yes_is_a_share_and_absent_where_there_is_none() -> None:
    assert belief({"Yes": 0.6, " yes": 0.15, "no": 0.25, "maybe": 0.0}) == pytest.approx(0.75)
    assert belief({"red": 1.0}) is None
    assert belief(None) is None


def test_a_verifier_that_is_right_for_sure_has_no_calibration_error(runs: Path) -> None:
    found = exhibits([open_run(runs / "weak")])
    known = reliability(found, found)
    assert known is not None
    assert known.accuracy == 1.0
    assert known.error < 0.05
    assert sum(count for _, _, count in known.bins) == known.answers == 152
    assert reliability(found, []) is None


def test_calibration_error_by_hand() -> None:
    def shown(p: float, name: str) -> Exhibit:
        side = {"image": "x", "questions": [{"id": name, "p": p, "value": p, "kind": "k"}]}
        return Exhibit(("s", 0), "", (), (), (side,), frozenset(), (0, 0, 0.0))

    asked = [shown(0.9, "a"), shown(0.9, "b"), shown(0.2, "c")]
    truth = [shown(1.0, "a"), shown(0.0, "b"), shown(0.0, "c")]
    found = reliability(asked, truth)
    assert found is not None
    assert found.error == pytest.approx(2 / 3 * 0.4 + 1 / 3 * 0.2)
    assert found.accuracy == pytest.approx(2 / 3)


def test_a_folder_that_is_no_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is no run folder" in capsys.readouterr().err
