"""T2I-CompBench++: phrases, relations, depth and counts on boxes worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from reward.detection import Box, Detection, write_detections
from reward.rules_compbench import behind, framed, numeracy, position, read_rules, spatial, spatial_3d
from reward.verifier import Reply
from reward.verifier_recorded import Arguments, build
from tasks.compbench_objects import counted, related
from tasks.key import seed_for
from tasks.sample import Generation, Response
from tests.judge import ScriptedJudge

HERE: Box = (0, 0, 100, 100)


def shifted(right: float, down: float, box: Box = HERE) -> Box:
    return (box[0] + right, box[1] + down, box[2] + right, box[3] + down)


def seen(name: str, box: Box = HERE, score: float = 0.8, depth: float | None = None) -> Detection:
    return Detection(name, box, score, depth=depth)


@pytest.mark.parametrize(
    ("relation", "right", "down", "value"),
    [
        ("on the left of", 200, 10, 1.0),
        ("on the right of", 200, 10, 0.0),
        ("on the right of", -200, 10, 1.0),
        ("on the top of", 10, 200, 1.0),
        ("on the bottom of", 10, -200, 1.0),
        ("on the top of", 200, 200, 0.0),  # neither is larger
        ("on the left of", 50, 0, 0.1 / (5000 / 15000)),
        ("next to", 149, 400, 1.0),
        ("near", 300, 200, 150 / 300),
        ("on side of", 150, 150, 1.0),
    ],
)
def test_relations_in_the_plane(relation: str, right: float, down: float, value: float) -> None:
    assert position(relation, HERE, shifted(right, down)) == pytest.approx(value)


def test_spatial_adds_confidences_and_position_and_cuts_below_a_half() -> None:
    fact = {"objects": ["man", "dog"], "relation": "on the left of"}
    both = [seen("person", score=0.9), seen("dog", shifted(200, 0), 0.7)]
    assert spatial(fact, both) == pytest.approx(0.25 * 0.9 + 0.25 * 0.7 + 0.5)
    assert spatial({**fact, "relation": "on the right of"}, both) == 0.0  # .4 is below a half
    assert spatial(fact, both[:1]) == 0.0


def test_depth_counts_with_overlap_and_nothing_is_cut_off() -> None:
    fact = {"objects": ["dog", "desk"], "relation": "in front of"}
    near, far = seen("dog", depth=0.9), seen("writing desk", shifted(0, 50), depth=0.2)  # a third overlaps
    assert spatial_3d(fact, [near, far], official=False) == pytest.approx(0.4 + 0.5 * (1 / 3) / 0.5)
    assert spatial_3d({**fact, "relation": "behind"}, [near, far], official=False) == pytest.approx(0.4)
    assert spatial_3d(fact, [near], official=False) == pytest.approx(0.2)
    half = (0.0, 0.0, 100.0, 50.0)
    assert [behind("hidden by", seen("a", depth=0.1), seen("b", half, depth=0.5), one) for one in (False, True)] == [
        1,
        0,
    ]
    with pytest.raises(ValueError, match="gave no depth"):
        behind("behind", seen("a"), far, official=False)


def test_the_released_code_takes_the_last_box_before_both_are_found() -> None:
    fact = {"objects": ["dog", "cat"], "relation": "in front of"}
    found = [seen("dog", score=0.9, depth=0.1), seen("dog", score=0.6, depth=0.9), seen("cat", score=0.5, depth=0.5),
             seen("dog", score=0.55, depth=0.7)]  # fmt: skip
    assert spatial_3d(fact, found, official=False) == pytest.approx(0.25 * (0.9 + 0.5))
    assert spatial_3d(fact, found, official=True) == pytest.approx(0.25 * (0.6 + 0.5) + 0.5)


def test_counts_leave_doubled_boxes_out_and_seek_longer_names() -> None:
    fact = {"objects": ["boy", "dog", "goldfish"], "counts": [2, 1, 1]}
    found = [seen("person"), seen("person", shifted(1, 1)), seen("person", shifted(300, 0)),
             seen("hot dog", shifted(0, 300)), seen("person", (10, 10, 60, 60))]  # fmt: skip
    assert numeracy(fact, found) == {
        "presence 0": 1.0, "number 0": 1.0, "presence 1": 1.0, "number 1": 1.0, "presence 2": 0.0, "number 2": 0.0,
    }  # fmt: skip


def test_the_frame_has_its_shorter_side_at_479_and_no_side_over_480() -> None:
    assert framed(Image.new("RGB", (1024, 1024))).size == (479, 479)
    assert framed(Image.new("RGB", (1024, 512))).size == (480, 240)


def test_prompts_tell_their_objects_relations_and_numbers() -> None:
    assert related("a mouse on side of a key", "spatial")["objects"] == ["mouse", "key"]
    nouns = {"dogs": "dog", "lemons": "lemon", "helicopter": "helicopter", "mice": "mouse"}
    fact = counted("a helicopter, two dogs, and two lemons were on the playground", nouns)
    assert (fact["objects"], fact["counts"]) == (["helicopter", "dog", "lemon"], [1, 2, 2])
    for prompt, read in (("dogs", lambda one: counted(one, nouns)), ("dogs", lambda one: related(one, "spatial"))):
        with pytest.raises(ValueError, match="of T2I-CompBench"):
            read(prompt)


def test_the_official_prompts_are_read_whole(official: Path) -> None:
    tasks = {name: load_task("t2i-compbench-objects", {"category": name}) for name in ("spatial", "3d_spatial",
                                                                                      "numeracy")}  # fmt: skip
    assert [len(one.samples) for one in tasks.values()] == [300, 300, 300]
    tags = [sample.tags[0] for sample in tasks["3d_spatial"].samples]
    assert [tags.count(one) for one in ("hidden by", "in front of", "behind")] == [115, 102, 83]
    tags = [sample.tags[0] for sample in tasks["spatial"].samples]
    assert [tags.count(one) for one in ("on the top of", "on the right of", "on side of", "near")] == [56, 56, 37, 24]


@pytest.mark.parametrize(("category", "questions"), [("color", 678), ("shape", 743), ("texture", 716)])
def test_every_prompt_has_its_noun_phrases(official: Path, category: str, questions: int) -> None:
    task = load_task("t2i-compbench-attributes", {"category": category})
    assert sum(len(one.questions) for one in task.samples) == questions
    words = [(sample.request.prompt, one.text[:-1]) for sample in task.samples for one in sample.questions]
    assert all(phrase in prompt for prompt, phrase in words)


def test_an_image_is_the_product_of_its_shares(official: Path, tmp_path: Path) -> None:
    task = load_task("t2i-compbench-attributes", {})
    judge = ScriptedJudge({"a green bench?": Reply("ok", "yes", {"yes": 0.6, "no": 0.2}),
                           "a blue bowl?": Reply("ok", "no", {"yes": 0.01, "no": 0.04})})  # fmt: skip
    (score,) = build_reward(task, judge).score([Generation(task.samples[0], 1, Response(Image.new("RGB", (8, 8))))])
    assert score.value == pytest.approx(0.75 * 0.2)
    (tmp_path / "mine.json").write_text('{"color": [["a bench"]]}')
    with pytest.raises(ValueError, match="does not hold a list of phrases for each of the 300 prompts"):
        load_task("t2i-compbench-attributes", {"phrases": str(tmp_path / "mine.json")})


def test_a_run_is_scored_again_from_its_record(official: Path, tmp_path: Path) -> None:
    task = load_task("t2i-compbench-objects", {})
    sample = task.samples[0]
    found = write_detections(
        [seen(one, shifted(100 * place, 0)) for place, one in enumerate(sample.reference["objects"])]
    )
    picture = Response(Image.new("RGB", (8, 8)))
    (first,) = build_reward(task, ScriptedJudge({"detect": found})).score([Generation(sample, 1, picture)])
    (tmp_path / "verdicts.jsonl").write_text(line(sample.id, first))
    again = build_reward(task, build(Arguments(tmp_path)))
    (second,) = again.score([Generation(sample, seed_for(0, sample.id, 0), picture)])
    assert second.value == first.value == pytest.approx(0.9)


def line(sample: str, score: Any) -> str:
    """The score's only verdict as a run folder keeps it."""
    (verdict,) = score.verdicts
    told = {"question": verdict.question, "value": verdict.value, "answer": verdict.answer, "status": "ok"}
    return json.dumps({"sample": sample, "index": 0, "group": "semantic", "probabilities": None, "error": None, **told})


def test_an_unknown_option_of_the_rules_is_named() -> None:
    with pytest.raises(ValueError, match="did you mean 'official'"):
        read_rules({"oficial": True})
