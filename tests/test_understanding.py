"""harness regress: likelihoods and answers, local tasks through lm-eval, nothing disturbed, a gate."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from harness.assemble import build_model, build_verifier
from harness.bagel.unified import Unified
from harness.ending import Damaged
from harness.main import run
from harness.model import Setting
from harness.reader import Reader
from harness.regression import read_understanding, write_understanding
from harness.understanding import read_task, write_scenes
from harness.undisturbed import undisturbed
from reward.verifier import Query

lm_eval = pytest.importorskip("lm_eval", reason="lm-eval is not installed")


@pytest.fixture(scope="module")
def reader() -> Reader:
    model = build_model("tiny", {}, Setting())
    assert isinstance(model, Unified)
    return Reader(model)


def test_the_likelihood_of_two_words_is_the_sum_of_theirs_in_turn(reader: Reader) -> None:
    whole, _ = reader.likelihood("", "a red")
    first, _ = reader.likelihood("", "a")
    assert whole < first < 0.0
    coder, bagel = reader.model.coder, reader.model.bagel
    ids = coder.encode("a red")[1:-1]
    with torch.inference_mode():
        _, hidden, _ = bagel.read_words(reader.context("", []), [[coder.special.begin, ids[0]]])
        scores = bagel.language_model.lm_head(hidden)[0].float().log_softmax(-1)
    assert whole == pytest.approx(float(scores[0, ids[0]] + scores[1, ids[1]]), abs=1e-4)


def test_the_likeliest_answer_is_greedy_and_another_is_not(reader: Reader, tmp_path: Path) -> None:
    rows = read_task(write_scenes(tmp_path, 4).path)
    for row in rows[:4]:
        image = Image.open(tmp_path / row["image"])
        told = reader.answer(row["question"], ["\n"], 1, [image])
        assert reader.likelihood(row["question"], told, [image])[1]
        other = "no" if told.strip() == "yes" else "yes"
        assert not reader.likelihood(row["question"], other, [image])[1]


def test_answers_end_at_their_marks_and_limits(reader: Reader) -> None:
    whole = reader.answer("draw a red star", [], 6)
    assert len(reader.model.coder.encode(whole)) <= 8
    assert reader.answer("draw a red star", [whole[1]], 6) == whole[:1]


def sow() -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def disturb(net: torch.nn.Module) -> None:
    with undisturbed(net):
        drawn()
        net.eval()
        raise RuntimeError("inside")


def test_random_states_and_flags_are_put_back_even_after_an_error() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout())
    net[0].eval()
    sow()
    wanted = drawn()
    sow()
    with pytest.raises(RuntimeError, match="inside"):
        disturb(net)
    assert drawn() == wanted
    assert (net.training, net[0].training, net[1].training) == (True, False, True)


def told_by_the_verifier(folder: Path, count: int) -> list[float]:
    """1 for every question that the same weights answer rightly when they are asked as a verifier."""
    verifier = build_verifier("tiny", {})
    found = []
    for row in read_task(write_scenes(folder, count).path)[:count]:
        (reply,) = verifier.ask([Query((Image.open(folder / row["image"]),), row["question"])])
        assert reply.probabilities is not None
        yes = reply.probabilities["yes"] > reply.probabilities["no"]
        found.append(float(yes == (row["answer"] == "yes")))
    return found


def test_scenes_are_asked_through_lm_eval_and_gated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["regress", "--model", "tiny", "--limit", "24"]
    assert run([*command, "-o", str(tmp_path / "one")]) == 0
    rows = read_understanding(tmp_path / "one")
    assert len(rows) == 24
    assert {row["task"] for row in rows} == {"scenes-vqa"}
    assert [row["value"] for row in rows] == told_by_the_verifier(tmp_path / "scenes", 24)
    capsys.readouterr()
    assert run([*command, "-o", str(tmp_path / "two"), "--against", str(tmp_path / "one")]) == 0
    assert "+0.000 [+0.000, +0.000], Holm p 1.000: passed" in capsys.readouterr().out


def test_a_task_of_choices_is_a_file_and_its_loss_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "colours.jsonl"
    lines = [{"question": f"is {word} a colour", "choices": ["yes", "no"], "answer": "yes"} for word in ("red", "blue")]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run(["regress", "--task", str(file), "-o", str(tmp_path / "now")]) == 0
    rows = read_understanding(tmp_path / "now")
    assert {(row["task"], row["metric"]) for row in rows} == {("colours", "acc")}
    (tmp_path / "before").mkdir()
    write_understanding(tmp_path / "before", [{**row, "value": 1.0 + row["value"]} for row in rows])
    against = ["--against", str(tmp_path / "before")]
    assert run(["regress", "--task", str(file), "-o", str(tmp_path / "now"), *against]) == 3
    assert "colours acc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "holds no document"),
        ([{"question": "q", "answer": "a", "imge": "x"}], "no key named 'imge'; did you mean 'image'?"),
        ([{"question": "q", "answer": "a", "image": "x.png"}], "there is no image"),
        ([{"question": "q", "answer": "a", "choices": ["b"]}], "the answer 'a' is none of the choices"),
    ],
)
def test_a_task_file_that_is_wrong_is_told_by_its_line(
    tmp_path: Path, lines: list[dict[str, object]], said: str
) -> None:
    path = tmp_path / "task.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises((ValueError, Damaged), match=said.replace("?", r"\?")):
        read_task(path)
