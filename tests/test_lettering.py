"""lettering: what a picture spells, read by OCR or by a model, held against the wanted texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from harness.main import run
from reward.lettering import NOTHING, PROMPT, Spelled, build
from reward.reward import Reward
from reward.verifier import Query, Reply
from reward.verifier_ocr import Arguments, OcrVerifier
from reward.verifier_ocr import build as build_ocr
from tasks.sample import Failure, Generation, Question, Request, Response, Sample
from tasks.task import RewardSpec

ROOT = Path(__file__).parent.parent


class Reader:
    """A verifier that reads the same in every picture."""

    id = "reader"
    record: Mapping[str, Any] = {"name": "reader"}

    def __init__(self, reply: Reply | str) -> None:
        self.reply = Reply("ok", reply) if isinstance(reply, str) else reply
        self.queries: list[Query] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.queries += queries
        return [self.reply for _ in queries]


def generation(*wanted: str) -> Generation:
    questions = tuple(Question(f"t{number}", text, group="lettering") for number, text in enumerate(wanted))
    return Generation(Sample("a", Request("a sign"), questions), 7, Response(Image.new("RGB", (8, 8))))


def reward(reader: Any, reading: str = "edit", combine: str = "mean", **options: Any) -> Reward:
    return build(RewardSpec("lettering", reading, combine, "ocr", options), reader)


@pytest.mark.parametrize(
    ("reading", "found", "value"),
    [
        ("edit", "OPEN 24 HOURS", 1.0),
        ("edit", "Open 24\nhours", 1.0),
        ("edit", "OPEN 24 HOUR", 12 / 13),
        ("edit", "OPEN 24 HOURS DAILY", 7 / 13),
        ("edit", NOTHING, 0.0),
        ("exact", "open  24 hours", 1.0),
        ("exact", "open 24 hour", 0.0),
        ("words", "hours of 24 people", 2 / 3),
    ],
)
def test_each_reading_of_one_wanted_text(reading: str, found: str, value: float) -> None:
    (score,) = reward(Reader(found), reading).score([generation("OPEN 24 HOURS")])
    assert score.value == pytest.approx(value)
    assert score.verdicts[0].answer == ("" if found == NOTHING else found)


def test_several_texts_are_looked_for_each_where_it_fits_best() -> None:
    reader = Reader("JOE'S DINER\nOPEN 24 HOURS")
    (score,) = reward(reader).score([generation("Joe's Diner", "open 24 hours", "closed")])
    assert [one.value for one in score.verdicts] == [1.0, 1.0, pytest.approx(2 / 6)]  # "open" against "closed"
    assert score.verdicts[0].answer == "joe's diner"
    (whole,) = reward(reader, scope="whole").score([generation("Joe's Diner", "open 24 hours")])
    assert whole.value is not None
    assert whole.value < 1.0
    (one,) = reward(reader, scope="anywhere").score([generation("open 24 hours")])
    assert one.value == 1.0


def test_the_picture_is_read_once_whatever_number_of_texts_is_wanted() -> None:
    reader = Reader("A")
    (score,) = reward(reader).score([generation("A", "B", "C")])
    assert [query.text for query in reader.queries] == [PROMPT]
    assert len({verdict.reply.key for verdict in score.verdicts if verdict.reply}) == 1


def test_figures_of_benchmarks_stand_in_the_parts() -> None:
    """One letter lacks, so of three words two are the same, and the third is a fifth away: GNED 0.2 / 3."""
    (score,) = reward(Reader("open 24 hous")).score([generation("open 24 hours")])
    assert {name: score.parts[name] for name in ("exact", "words", "word recall")} == {
        "exact": 0.0,
        "words": pytest.approx(2 / 3),
        "word recall": 1.0,
    }
    assert score.parts["word distance"] == pytest.approx(0.2 / 3)


def test_what_was_not_read_has_no_value() -> None:
    for reply, status in (
        (Reply("timeout", error="slow"), "timeout"),
        (Reply("missing_image", error="x"), "missing_image"),
    ):
        (score,) = reward(Reader(reply)).score([generation("A", "B")])
        assert (score.value, score.status) == (None, status)
    failed = Generation(generation("A").sample, 7, None, Failure("generation_error", "boom"))
    (score,) = reward(Reader("A")).score([failed])
    assert (score.value, score.status, score.error) == (None, "generation_error", "boom")


def test_what_counts_as_different_is_said_by_the_options() -> None:
    assert Spelled().text("  \uff2fpen\n 24 ") == "open 24"
    assert Spelled(case=True).text("Open") == "Open"
    assert Spelled(punctuation=False).text("it's 100%!") == "its 100"
    assert Spelled(spaces=False).text("a b") == "ab"
    assert Spelled().text("你 好") == "你好"
    assert Spelled().words("你 好") == ["你", "好"]
    assert Spelled(spaces=False).words("a b") == ["a", "b"]
    strict = reward(Reader("open"), case=True)
    assert strict.score([generation("OPEN")])[0].value == 0.0
    assert strict.id != reward(Reader("open")).id


def test_what_cannot_be_meant_is_named() -> None:
    with pytest.raises(ValueError, match="no reading of lettering named 'edits'; did you mean 'edit'"):
        reward(Reader(""), "edits")
    with pytest.raises(ValueError, match="no scope named 'any'"):
        reward(Reader(""), scope="any")
    with pytest.raises(ValueError, match="'case' of lettering is true or false, not 'yes'"):
        reward(Reader(""), case="yes")
    with pytest.raises(ValueError, match="no option of the questions reward named 'cases'"):
        reward(Reader(""), cases=True)
    with pytest.raises(ValueError, match="wants no text at all"):
        reward(Reader("a")).score([generation("  ")])


def test_a_library_that_is_missing_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("reward.distance", "reward.lettering", "reward.verifier_ocr"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "rapidfuzz.distance", None)
    assert run(["eval", "--task", str(ROOT / "docs/lettering.jsonl"), "-o", str(tmp_path)]) == 2
    assert "pip install 'image-harness[ocr]'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def ocr() -> OcrVerifier:
    pytest.importorskip("rapidocr")
    return build_ocr(Arguments())


def drawn(
    text: str, font: Any, angle: float = 0.0, side: int = 256, ground: str = "white", ink: str = "black"
) -> Image.Image:
    image = Image.new("RGB", (side, side), ground)
    ImageDraw.Draw(image).multiline_text((side / 2, side / 2), text, ink, font, anchor="mm")
    return image.rotate(angle, expand=True, fillcolor=ground)


def truetype(name: str, size: int) -> Any:
    matplotlib = pytest.importorskip("matplotlib")
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf", size)


@pytest.mark.parametrize(
    ("font", "size", "angle"),
    [("default", 20, 0), ("default", 30, 12), ("DejaVuSerif-Bold", 22, -15), ("DejaVuSansMono", 24, 90),
     ("DejaVuSans-Oblique", 28, 180), ("cmr10", 30, 5), ("STIXGeneral", 16, 0)],
)  # fmt: skip
def test_drawn_text_is_read_in_every_font_size_and_turn(ocr: OcrVerifier, font: str, size: int, angle: float) -> None:
    letters = ImageFont.load_default(size) if font == "default" else truetype(font, size)
    (reply,) = ocr.ask([Query((drawn("OPEN 24 HOURS", letters, angle),), PROMPT, ())])
    right, wrong = reward(Reader(reply)).score([generation("Open 24 hours"), generation("Closed on Mondays")])
    assert right.value == 1.0
    assert wrong.value is not None
    assert wrong.value < 0.5


def test_lines_are_read_from_above_in_any_colour(ocr: OcrVerifier) -> None:
    picture = drawn("fresh bread\nand coffee", ImageFont.load_default(32), ground="#203050", ink="#ffd060")
    (reply,) = ocr.ask([Query((picture,), PROMPT, ())])
    assert reply.text.splitlines() == ["fresh bread", "and coffee"]


def test_a_picture_without_text_is_read_and_another_question_is_not(ocr: OcrVerifier) -> None:
    blank = Image.new("RGB", (64, 64), "white")
    nothing, other, tiny = ocr.ask(
        [
            Query((blank,), PROMPT, ()),
            Query((blank,), "Is there a dog?"),
            Query((Image.new("RGB", (1, 1)),), PROMPT, ()),
        ]
    )
    assert (nothing.status, nothing.text) == ("ok", NOTHING)
    assert (other.status, other.probabilities) == ("parse_error", {})
    assert tiny.status in ("ok", "missing_image")
    assert reward(ocr).score([generation("A")])[0].value == 0.0


def test_a_question_file_asks_for_lettering(
    ocr: OcrVerifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of docs/rewards.md, scored on one right and one wrong sign."""
    for name, text in (("bakery", "FRESH BREAD"), ("garage", "CAR WASN")):
        drawn(text, ImageFont.load_default(36)).save(tmp_path / f"{name}.png")
    told = f"eval --model folder --model-args path={tmp_path} --task {ROOT}/docs/lettering.jsonl".split()
    assert run([*told, "--samples", "bakery,garage", "-o", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"][0]["value"] == pytest.approx((1.0 + 7 / 8) / 2)
