"""OneIG-Bench's text score: letters that count, the formula over all images, its figures in a run."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from harness.main import run
from reward.lettering_oneig import OneIG
from reward.text_score import formula, spread
from reward.verifier import Reply
from tasks.data import DataFile
from tasks.oneig_text import wanted_text
from tasks.sample import Generation, Response
from tests.judge import ScriptedJudge

PICTURE = Image.new("RGB", (8, 8), "red")


@pytest.mark.parametrize(
    ("found", "wanted", "terms"),
    [
        ("Fresh  fish, daily!", "Fresh fish\ndaily", (0, 1, 1, 3)),
        ("fresh fish", "Fresh fish", (1, 0, 1 / 2, 2)),
        ("", "two words", (9, 0, 0, 2)),
        ("fish fish", "fish", (5, 0, 1, 1)),
        ("今 天 好", "今天 不好", (1, 0, 3 / 4, 4)),
        ("today", "今天", (5, 0, 0, 2)),
        ("Café № 5", "Cafe 5", (1, 0, 1 / 2, 2)),  # the accent counts, the sign does not, its space is squeezed
    ],
)
def test_letters_words_and_edits_by_hand(found: str, wanted: str, terms: tuple[float, ...]) -> None:
    assert tuple(OneIG().terms(found, wanted).values()) == pytest.approx(terms)


def test_the_formula_and_the_share_of_each_picture_in_it() -> None:
    assert formula(10.0, 0.25, 0.5, 100.0) == pytest.approx(1 - 10 * 0.75 * 0.5 / 100)
    assert formula(300.0, 0.0, 0.5, 50.0) == pytest.approx(0.5)
    rows = [{"edits": float(n), "exact": float(n == 0), "words": w, "words wanted": float(m)}
            for n, w, m in ((0, 1.0, 4), (30, 0.5, 10), (12, 0.25, 8), (200, 0.0, 3))]  # fmt: skip
    whole = formula(242 / 4, 1 / 4, (4 + 5 + 2) / 25, 100.0)
    shares = spread(rows, 100.0)
    assert np.mean(shares) == pytest.approx(whole)
    # leaving a picture out moves the score by its share to the first order: the jackknife agrees in size
    many = rows * 50
    out = [np.mean(spread(many[:one] + many[one + 1 :], 100.0)) for one in range(4)]
    moved = [(whole - one) * (len(many) - 1) for one in out]
    assert moved == pytest.approx([share - whole for share in shares], abs=0.01)
    assert np.mean(spread(rows[3:], 100.0)) == pytest.approx(formula(200.0, 0.0, 0.0, 100.0)) == 0.0


def test_what_is_read_is_compared_whole_and_no_text_is_a_scored_answer(official: Path) -> None:
    task = load_task("oneig-text", {})
    sample = task.samples[0]

    def scored(said: str | Reply, **arguments: Any) -> Any:
        judge = ScriptedJudge({"": said})
        chosen = load_task("oneig-text", arguments).samples[0]
        (found,) = build_reward(load_task("oneig-text", arguments), judge).score(
            [Generation(chosen, 1, Response(PICTURE))]
        )
        return found, judge.queries[0]

    whole, query = scored(sample.questions[0].text)
    assert (whole.value, whole.parts["edits"], whole.parts["exact"]) == (1.0, 0.0, 1.0)
    assert query.max_tokens == 128
    assert "NO TEXT" in query.text
    for said in ("NO TEXT", "NO TEXT."):
        none, _ = scored(said)
        assert (none.value, none.parts["words"]) == (0.0, 0.0)
    kept, query = scored("NO TEXT", official=True)  # the released rule takes it for text
    assert kept.parts["edits"] != none.parts["edits"]
    assert query.images[0].tobytes() != PICTURE.tobytes()  # as JPEG
    assert scored(Reply("timeout", error="late"))[0].status == "timeout"


def test_a_run_has_the_pooled_score_under_each_class_as_well(official: Path, tmp_path: Path) -> None:
    task = load_task("oneig-text", {})
    some = [*task.samples[:3], *task.samples[60:63]]
    said = {one.id: one.questions[0].text[: 20 * (place + 1)] for place, one in enumerate(some)}
    answers = tmp_path / "answers.jsonl"
    answers.write_text("\n".join(json.dumps({"id": one, "index": index, "answer": text[: len(text) - 3 * index]})
                                 for one, text in said.items() for index in range(2)))  # fmt: skip
    flags = ["--task", "oneig-text", "--samples", ",".join(said), "--num-images", "2", "-v", "quiet"]
    judge = ["--verifier", "recorded", "--verifier-args", f"path={answers}", "-o", str(tmp_path / "run")]
    assert run(["eval", "--model", "blank", *flags, *judge]) == 0
    results = json.loads((tmp_path / "run/results.json").read_text())
    speller = OneIG(100.0)

    def wanted(samples: Any) -> float:
        terms = [speller.terms(said[one.id][: len(said[one.id]) - 3 * index], one.questions[0].text)
                 for one in samples for index in range(2)]  # fmt: skip
        total = sum(one["words"] * one["words wanted"] for one in terms) / sum(one["words wanted"] for one in terms)
        return formula(*(np.mean([one[name] for one in terms]) for name in ("edits", "exact")), total, 100.0)

    assert results["metrics"][0]["value"] == pytest.approx(wanted(some))
    assert results["metrics"][0]["ci"]["low"] < wanted(some) < results["metrics"][0]["ci"]["high"]
    tags = {one["key"]: one["value"] for one in results["groups"] if one["name"] == "score"}
    assert len(tags) == len({one.tags for one in some}) > 1
    for tag, value in tags.items():
        assert value == pytest.approx(wanted([one for one in some if tag in one.tags]))
    assert run(["validate", str(tmp_path / "run")]) == 0
    judge = ["--verifier", "recorded", "--verifier-args", f"path={tmp_path / 'run'}", "-o", str(tmp_path / "again")]
    assert run(["eval", "--model", "blank", *flags, *judge]) == 0
    again = json.loads((tmp_path / "again/results.json").read_text())
    assert again["metrics"][0]["value"] == results["metrics"][0]["value"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_official_rule_wants_the_texts_as_the_file_spells_them(official: Path, language: str) -> None:
    ours, theirs = (load_task("oneig-text", {"language": language, "official": rule}) for rule in (False, True))
    pairs = [[OneIG().text(one.questions[0].text) for one in both] for both in zip(ours.samples, theirs.samples,
                                                                                  strict=True)]  # fmt: skip
    odd = {sample.id for sample, (one, other) in zip(ours.samples, pairs, strict=True) if one != other}
    assert odd == {finding.partition(":")[0] for finding in ours.findings}
    assert len(odd) == {"en": 5, "zh": 4}[language]
    assert Counter(sample.tags for sample in ours.samples)["poster design",] == 50
    assert not any(re.search(r"ModelsnAuthor|模型n", one) for one, _ in pairs)


def test_a_text_that_is_no_list_is_named(tmp_path: Path) -> None:
    file = DataFile("texts.csv", b"", "")
    assert wanted_text(file, "000", r"['a \times b', 'it\'s\nc', 'd\\e']") == "a \\times b\nit's\nc\nd\\e"
    for raw in ("[]", "plain", "['a'", "[1]", "{'a': 1}"):
        with pytest.raises(ValueError, match=r"the text of 000 in texts\.csv is no list of texts"):
            wanted_text(file, "000", raw)
