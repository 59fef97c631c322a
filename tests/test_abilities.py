"""What the embedded model does beside drawing: it plans, edits, and answers questions about images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.tiny import looking
from harness.assemble import build_verifier
from harness.main import run
from harness.model import Model, Setting
from harness.model_tiny import Arguments, build
from reward.verifier import Query
from tasks.sample import Request
from tasks.scene import render
from tasks.scenes_edit import edit_number

FEW = ["--limit", "2", "--num-images", "1", "-v", "quiet"]


@pytest.fixture(scope="module")
def thinker() -> Model:
    return build(Arguments(points=5, reason=True), Setting())


def test_a_plan_says_in_plain_words_what_a_plain_prompt_asks_for(thinker: Model) -> None:
    prompts = ["draw a red star", "a picture of two hearts", "a circle left of a square"]
    plans = [one.thought for one in thinker.generate([Request(prompt) for prompt in prompts], [0, 1, 2])]
    assert plans == [f"<think> {plan} </think>" for plan in ("a red star", "two hearts", "a circle left of a square")]


def test_a_picture_after_a_plan_depends_on_its_own_request_and_seed_alone(thinker: Model) -> None:
    requests = [Request(prompt) for prompt in ("a red star", "a blue ring", "three hearts")]
    together = thinker.generate(requests, [5, 6, 7])
    alone = [thinker.generate([request], [seed])[0] for request, seed in zip(requests, (5, 6, 7), strict=True)]
    assert [one.image.tobytes() for one in together] == [one.image.tobytes() for one in alone]
    assert [one.thought for one in together] == [one.thought for one in alone]


def test_an_edit_keeps_more_of_its_source_than_a_new_picture_does() -> None:
    model = build(Arguments(points=12), Setting())
    edits = [edit_number("evaluation", number) for number in range(8)]
    sources = [Image.fromarray(render(one.before)) for one in edits]
    edited = model.generate(
        [Request(one.instruction, (source,)) for one, source in zip(edits, sources, strict=True)], list(range(8))
    )
    other = [*edited[1:], edited[0]]

    def distance(one: Image.Image, two: Image.Image) -> float:
        return sum(abs(a - b) for a, b in zip(one.tobytes(), two.tobytes(), strict=True))

    own = sum(distance(one.image, source) for one, source in zip(edited, sources, strict=True))
    strange = sum(distance(one.image, source) for one, source in zip(other, sources, strict=True))
    assert own < 0.6 * strange


def test_reasoning_is_part_of_a_runs_name_and_record_and_its_plan_is_kept(tmp_path: Path) -> None:
    assert run(["eval", "--task", "scenes-reason", "--reason", "-a", "points=3", *FEW, "-o", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["model"]["id"].endswith("+think")
    assert record["identity"]["model arguments"]["reason"] is True
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert all(row["thought"].startswith("<think>") for row in rows)


def test_a_model_that_cannot_think_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "--model", "folder", "-a", f"path={tmp_path}", "--reason", "-o", str(tmp_path / "run")]) == 2
    assert "no argument of model 'folder' named 'reason'" in capsys.readouterr().err


def test_the_embedded_model_answers_most_questions_about_held_out_scenes() -> None:
    right, asked = looking(count=40, questions=6)
    assert right / asked > 0.7


def test_questions_of_several_images_come_back_in_their_order() -> None:
    verifier = build_verifier("tiny", {})
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    texts = ["Is there a star?", "Is there exactly one object?"]
    mixed = [Query((red,), texts[0]), Query((blue,), texts[0]), Query((red,), texts[1]), Query((red, blue), texts[0])]
    together = verifier.ask(mixed)
    alone = [verifier.ask([query])[0] for query in mixed]
    assert [one.status for one in together] == ["ok", "ok", "ok", "refused"]
    for one, other in zip(together[:3], alone[:3], strict=True):
        assert one.probabilities["yes"] == pytest.approx(other.probabilities["yes"], abs=1e-5)


def test_the_embedded_model_can_be_the_verifier_of_a_run(tmp_path: Path) -> None:
    assert run(["eval", "-a", "points=3", "--verifier", "tiny", *FEW, "-o", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "run.json").read_text())["verifier"]["mode"] == "logprobs"


def verdicts(folder: Path) -> list[tuple[object, ...]]:
    rows = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    return sorted((row["sample"], row["index"], row["question"], row["status"], row["value"]) for row in rows)


def test_a_model_that_judges_its_own_pictures_answers_as_its_weights_do(tmp_path: Path) -> None:
    for name in ("tiny", "self"):
        assert run(["eval", "-a", "points=3", "--verifier", name, *FEW, "-o", str(tmp_path / name)]) == 0
    assert verdicts(tmp_path / "self") == verdicts(tmp_path / "tiny")
    own, other = (json.loads((tmp_path / name / "run.json").read_text())["verifier"] for name in ("self", "tiny"))
    assert own["name"] == "self"
    assert own["id"] == f"self[{other['id']}]"
    assert own["revision"] == other["revision"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "--model", "tests.painter"], "answers no questions, which --verifier self needs: tiny and bagel do"),
        (["eval", "--verifier-args", "weights=x"], "verifier 'self' takes no arguments"),
        (["eval", "--max-calls", "3"], "verifier 'self' asks none"),
        (["eval", "--refine", "1", "--gate", "oracle"], "--gate is all or self, not oracle"),
        (["calibrate"], "verifier 'self' is the model that `harness eval` draws with"),
    ],
)
def test_a_mistake_about_judging_itself_is_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--verifier", "self", "-o", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert said in printed[-1]
