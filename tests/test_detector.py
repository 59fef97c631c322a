"""The detector reward: detections asked for as answers are, rules applied, failures kept apart from empty pictures."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.main import run
from reward.detection import Detection, Located, Wanted, read_detections, read_wanted, write_detections
from reward.detector import build
from reward.reward import Reward
from reward.verifier import Query, Reply
from reward.verifier_detector import DetectorVerifier
from tasks.sample import Generation, Question, Request, Response, Sample
from tasks.task import RewardSpec

DOG = Detection("dog", (0, 0, 4, 4), 0.8, "red")
METADATA = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}]}


class Finder:
    """A verifier that finds the same in every picture."""

    def __init__(self, reply: Reply) -> None:
        self.id, self.reply = "finder", reply
        self.record: Mapping[str, Any] = {"name": "finder"}
        self.queries: list[Query] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.queries += queries
        return [self.reply for _ in queries]


def generation() -> Generation:
    sample = Sample("a", Request("a red dog"), (Question("count 0", "at least 1 dog"), Question("colour 0", "red")),
                    ("colors",), METADATA)  # fmt: skip
    return Generation(sample, 7, Response(Image.new("RGB", (8, 8))))


def reward(finder: Finder, **options: Any) -> Reward:
    return build(RewardSpec("detector", "geneval", "all", "detector", options), finder)


def test_detections_become_a_score_and_stay_in_the_answers() -> None:
    finder = Finder(Reply("ok", write_detections([DOG])))
    found = reward(finder).score([generation()])[0]
    assert (found.value, found.parts["detected"]) == (1.0, 1.0)
    assert json.loads(found.verdicts[0].answer) == {"dog": [[0, 0, 4, 4, 0.8]]}
    assert found.verdicts[1].answer == "red"
    assert read_wanted(finder.queries[0].text) == Wanted(("dog",), ("dog",))
    assert finder.queries[0].about == ("a", 7, "")


def test_an_empty_picture_is_a_zero_and_a_failed_detector_is_none() -> None:
    nothing = reward(Finder(Reply("ok", write_detections([])))).score([generation()])[0]
    assert (nothing.value, nothing.status, nothing.parts["detected"]) == (0.0, "ok", 0.0)
    for reply, status in ((Reply("timeout", error="slow"), "timeout"), (Reply("ok", "a dog"), "parse_error")):
        failed = reward(Finder(reply)).score([generation()])[0]
        assert (failed.value, failed.status) == (None, status)


def test_half_of_all_pictures_without_any_detection_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    judged = reward(Finder(Reply("ok", write_detections([]))))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            judged.score([generation()] * 10)
    assert len(caplog.records) == 1
    assert "nothing at all is detected in 20 of 20 images" in caplog.text
    others = reward(Finder(Reply("ok", write_detections([], others=3))))
    caplog.clear()
    others.score([generation()] * 30)
    assert not caplog.records


def test_thresholds_are_options_and_part_of_the_identity() -> None:
    finder = Finder(Reply("ok", write_detections([DOG])))
    strict = reward(finder, rules={"score": 0.9})
    assert strict.score([generation()])[0].value == 0.0
    assert strict.id != reward(finder).id
    with pytest.raises(ValueError, match="no threshold named 'scores'; did you mean 'score'"):
        reward(finder, rules={"scores": 1})


def test_what_is_written_is_read_back() -> None:
    assert read_detections(write_detections([DOG], 3)) == ([DOG], 3)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"detections": 3}', '{"detections": [{"class": "dog", "box": [0, 0, 1], "score": 1}]}',
        '{"detections": [{"class": "dog", "box": [0, 0, 1, NaN], "score": 1}]}',
        '{"detections": [{"class": "dog", "box": [4, 0, 1, 1], "score": 1}]}',
        '{"detections": [' + ",".join(["{}"] * 10_001) + "]}",
    ],
)  # fmt: skip
def test_what_is_no_list_of_detections_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds no detections"):
        read_detections(text)


class Eyes:
    """A detector for tests: a dog, a cat, or an error."""

    id, stand_in, known = "eyes", "eyes", ()
    record: Mapping[str, Any] = {}

    def detect(self, images: Sequence[Image.Image], classes: Sequence[str]) -> list[list[Located]]:
        if images[0].width == 1:
            raise RuntimeError("too small")
        return [[Located("dog", (0, 0, 4, 4), 0.8), Located("cat", (1, 1, 2, 2), 0.7)] for _ in images]


class Painterly:
    """Sees red."""

    id = "red"

    def colours(self, image: Image.Image, found: Sequence[Located]) -> list[str]:
        return ["red" for _ in found]


def test_the_detector_verifier_asks_for_colours_only_where_they_are_wanted() -> None:
    opened: list[int] = []

    def open_colours() -> Painterly:
        opened.append(1)
        return Painterly()

    verifier = DetectorVerifier(Eyes(), "red", open_colours)
    picture = Image.new("RGB", (8, 8))
    plain, coloured, small, other = verifier.ask(
        [
            Query((picture,), Wanted(("dog",)).text(), ()),
            Query((picture,), Wanted(("dog",), ("dog",)).text(), ()),
            Query((Image.new("RGB", (1, 1)),), Wanted(("dog",)).text(), ()),
            Query((picture,), "Is there a dog?"),
        ]
    )
    assert read_detections(plain.text) == ([Detection("dog", (0, 0, 4, 4), 0.8)], 1)
    assert read_detections(coloured.text)[0][0].colour == "red"
    assert opened == [1]
    assert (small.status, other.status) == ("transport_error", "parse_error")


def test_a_task_with_a_detector_in_the_place_of_the_reference_has_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In run.json, in the table, in what must agree before a folder goes on, and between boards."""
    file = tmp_path / "boxes.jsonl"
    head = {"task": "boxes", "reward": {"kind": "detector", "reading": "geneval", "combine": "all"}}
    sample = {"id": "a", "prompt": "a dog", "tags": ["single_object"],
              "reference": {"tag": "single_object", "include": [{"class": "dog", "count": 1}]},
              "questions": [{"id": "count 0", "text": "at least 1 dog"}]}  # fmt: skip
    file.write_text(f"{json.dumps(head)}\n{json.dumps(sample)}\n")
    told = f"eval --model tests.painter --task {file} --verifier tests.spotter -v quiet".split()
    for stand_in, name in (("owlv2", "boxes@owlv2"), ("", "boxes")):
        out = tmp_path / f"run-{stand_in}"
        assert run([*told, "--verifier-args", f"stand_in={stand_in}", "-o", str(out)]) == 0
        assert capsys.readouterr().out.startswith(f"{name}@1 boxes ")
        written = json.loads((out / "run.json").read_text())
        assert written["task"]["name"] == name
        assert written["identity"]["task"] == f"{name}@1 boxes"
    assert run([*told, "-o", str(tmp_path / "run-")]) == 2
    assert "task is 'boxes@1 boxes' there and 'boxes@owlv2@1 boxes' here" in capsys.readouterr().err
