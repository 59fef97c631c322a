"""A verifier that can answer nothing of what is asked is refused before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.assemble import build_reward, load_task, rewarded
from harness.main import run
from reward.ability import ABILITIES, ASKED, NEEDS
from reward.lettering import PROMPT
from reward.probe import known_picture
from reward.reward import REWARDS
from reward.verifier import VERIFIERS, Query, Reply
from reward.verifier_http_batch import Arguments, build
from reward.verifier_pixels import PixelVerifier
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task
from tests.test_serve import serving


class Named:
    """Answers nothing, under a registered name."""

    id = "named"

    def __init__(self, name: str, **record: Any) -> None:
        self.record: Mapping[str, Any] = {"name": name, **record}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [Reply("ok", "SIGN") for _ in queries]


def task(text: str, spec: RewardSpec) -> Task:
    return Task("mine", "1", "", (Sample("a", Request("a star"), (Question("q", text),)),), spec)


def test_every_verifier_and_reward_says_what_it_answers_and_asks() -> None:
    assert set(ABILITIES) == set(VERIFIERS) - {"recorded"}
    assert set(NEEDS) == set(REWARDS) - {"weighted"}
    assert {one for able in ABILITIES.values() for one in able} == set(NEEDS.values()) | {"likeness"} == set(ASKED)


@pytest.mark.parametrize(
    ("verifier", "kind", "told"),
    [
        ("ocr", "questions", "verifiers that answer this: pixels, tiny, local, http, http-batch; .* serves: lettering"),
        ("clip", "questions", "answers only how like a picture is to a text; verifiers that answer this: pixels"),
        ("detector", "vqascore", "rewards that it serves: detector"),
        ("tiny", "lettering", "local, http, http-batch, ocr; .* questions, vqascore"),
        ("http", "detector", "verifiers that answer this: http-batch, detector"),
        ("pixels", "readback", "how likely a text is, given a picture, and verifier 'pixels'"),
    ],
)
def test_a_pair_that_cannot_work_is_refused_with_those_that_do(verifier: str, kind: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"task 'scenes' asks .*{told}"):
        build_reward(rewarded(load_task("scenes", {}), kind, reading_of(kind)), Named(verifier, likelihood=True))


def reading_of(kind: str) -> dict[str, str]:
    return {"reading": "geneval"} if kind == "detector" else {}


def test_a_cosine_is_asked_of_clip_alone() -> None:
    spec = RewardSpec(reading="cosine", combine="pooled", verifier="clip")
    assert build_reward(task("a star", spec), Named("clip")).record["reading"] == "cosine"
    with pytest.raises(ValueError, match="how like a picture is to a text, and verifier 'local'"):
        build_reward(task("a star", spec), Named("local"))


def test_a_part_of_a_sum_is_held_to_its_own_verifier() -> None:
    parts = {"shown": {"weight": 1.0}, "spelled": {"weight": 1.0, "kind": "lettering", "groups": ["lettering"]}}
    spec = RewardSpec("weighted", "sum", "sum", options={"parts": parts})
    with pytest.raises(ValueError, match="task 'mine' in the part 'spelled' asks what a picture spells"):
        build_reward(task("Is there a star?", spec), Named("tiny"))


def test_pixels_is_refused_where_it_can_read_no_question_and_not_where_it_reads_some() -> None:
    with pytest.raises(ValueError, match=r"none of the 1 questions of task 'mine', such as 'Is there a dog\?'"):
        build_reward(task("Is there a dog?", RewardSpec()), PixelVerifier())
    with pytest.raises(ValueError, match="can read none of the 1 questions"):
        build_reward(rewarded(task("Is there a star?", RewardSpec()), "vqascore", {}), PixelVerifier())
    assert build_reward(task("Is there a star?", RewardSpec()), PixelVerifier()).range == (0.0, 1.0)


def test_a_server_says_what_it_answers_and_is_not_asked_for_more() -> None:
    with serving(Named("ocr"), "ocr") as service:
        far = build(Arguments((service.address(),)))
        assert far.record["answers"] == ["lettering"]
        assert far.ask([Query((known_picture(),), PROMPT, ())])[0].text == "SIGN"
        with pytest.raises(ValueError, match="verifier 'http-batch' answers only what a picture spells"):
            build_reward(load_task("scenes", {}), far)


def test_nothing_is_drawn_for_a_verifier_that_cannot_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rapidocr")
    assert run(["eval", "-M", "tests.painter", "--verifier", "ocr", "-L", "1", "-o", str(tmp_path / "run")]) == 2
    assert "task 'scenes' asks questions whose answer is one word" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))
    assert run(["calibrate", "--verifier", "ocr", "-o", str(tmp_path / "known")]) == 2
    assert "harness calibrate asks questions whose answer is one word" in capsys.readouterr().err
    gate = ["--refine", "1", "--gate", "verifier", "--gate-verifier", "ocr"]
    assert run(["eval", "--model", "tiny", *gate, "-L", "1", "-o", str(tmp_path / "run")]) == 2
    assert "the gate of --refine asks" in capsys.readouterr().err
