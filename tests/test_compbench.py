"""T2I-CompBench++: phrases, relations, depth and counts on boxes worked out by hand."""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from reward.detection import Box, Detection, Located, Wanted, read_detections, read_wanted, write_detections
from reward.rules_compbench import behind, framed, numeracy, position, read_rules, spatial, spatial_3d
from reward.verifier import Query, Reply
from reward.verifier_detector import DetectorVerifier
from reward.verifier_recorded import Arguments, build
from tasks.compbench_objects import _sample, counted, related
from tasks.key import seed_for
from tasks.sample import Generation, Response, Sample
from tests.judge import ScriptedJudge

PICTURE = Image.new("RGB", (64, 48))
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


def test_depth_is_the_mean_in_a_box_and_the_released_code_takes_x_for_y() -> None:
    mean_inside = pytest.importorskip("reward.depth", exc_type=ImportError).mean_inside
    nearness = np.zeros((10, 20), dtype=np.float32)
    nearness[2:4, 5:9] = 1.0
    assert mean_inside(nearness, (5.5, 2.2, 9.9, 4.0), swapped=False) == 1.0
    assert mean_inside(nearness, (2.0, 5.0, 4.0, 9.0), swapped=True) == 1.0
    assert mean_inside(nearness, (4.0, 2.0, 6.0, 4.0), swapped=False) == pytest.approx(0.5)
    assert mean_inside(nearness, (5.0, 3.0, 5.4, 3.2), swapped=False) == 1.0  # at least a pixel
    assert math.isnan(mean_inside(nearness, (12.0, 0.0, 18.0, 4.0), swapped=True))
    asked = read_rules({"official": True}).wanted(load_sample("in front of"))
    assert (asked.depth, asked.swapped) == (True, True)
    assert read_wanted(asked.text()) == asked
    assert behind("in front of", seen("a", depth=float("nan")), seen("b", depth=0.5), official=True) == 0.0


def load_sample(relation: str) -> Sample:
    return _sample(0, "a dog", {"kind": "3d_spatial", "objects": ["dog", "cat"], "relation": relation})


@pytest.mark.parametrize("family", ["dpt", "glpn"])
def test_an_estimator_of_depth_gives_nearness_whatever_it_was_taught(tmp_path: Path, family: str) -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    if family == "dpt":
        config = transformers.DPTConfig(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=32,
            patch_size=8, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
            head_in_index=-1, is_hybrid=False, add_projection=False)  # fmt: skip
        model, processor = transformers.DPTForDepthEstimation(config), transformers.DPTImageProcessorPil
    else:
        config = transformers.GLPNConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 8, 8], decoder_hidden_size=8,
                                         num_attention_heads=[1, 1, 1, 1], mlp_ratios=[1, 1, 1, 1])  # fmt: skip
        model, processor = transformers.GLPNForDepthEstimation(config), transformers.GLPNImageProcessorPil
    model.save_pretrained(tmp_path)
    processor(**({"size": {"height": 32, "width": 32}} if family == "dpt" else {})).save_pretrained(tmp_path)
    estimator = importlib.import_module("reward.depth").DepthEstimator(str(tmp_path), None, "cpu")
    picture = Image.effect_noise((96, 64), 80).convert("RGB")
    nearness = estimator.nearness(picture)
    assert nearness.shape == (64, 96)
    assert (nearness.min(), nearness.max()) == (pytest.approx(0.0, abs=0.05), pytest.approx(1.0, abs=0.05))
    with torch.inference_mode():
        raw = model.eval()(**estimator.processor(images=picture, return_tensors="pt")).predicted_depth[0]
    farthest = (raw.argmin() if family == "dpt" else raw.argmax()).item()
    row, column = divmod(farthest, raw.shape[1])
    at = nearness[round(row * 63 / (raw.shape[0] - 1)), round(column * 95 / (raw.shape[1] - 1))]
    assert at < 0.2
    whole, corner = estimator.depths(picture, [(0, 0, 96, 64), (0, 0, 10, 10)], swapped=False)
    assert (whole, corner) == (pytest.approx(nearness.mean(), abs=1e-5), pytest.approx(nearness[:10, :10].mean()))


def test_the_detector_tells_depth_where_it_is_asked_for() -> None:
    class Boxes:
        id, stand_in, record, known = "boxes", "", {"family": "boxes"}, ("dog", "hot dog", "cat")

        def detect(self, images: list[Image.Image], classes: list[str]) -> list[list[Located]]:
            return [[Located(one, HERE, 0.9) for one in classes] for _ in images]

    class Near:
        def depths(self, image: Image.Image, boxes: list[Box], swapped: bool) -> list[float]:
            return [0.75 if swapped else 0.25 for _ in boxes]

    verifier = DetectorVerifier(Boxes(), "c", None, "", Near)
    (reply,) = verifier.ask([Query((Image.new("RGB", (8, 8)),), Wanted(("dog", "owl"), parts=True).text(), ())])
    assert [one.class_name for one in read_detections(reply.text)[0]] == ["dog", "hot dog", "owl"]
    picture = Image.new("RGB", (200, 200))
    for wanted, depth in ((Wanted(("dog",)), None), (Wanted(("dog",), depth=True), 0.25),
                          (Wanted(("dog",), depth=True, swapped=True), 0.75)):  # fmt: skip
        (reply,) = verifier.ask([Query((picture,), wanted.text(), ())])
        assert [one.depth for one in read_detections(reply.text)[0]] == [depth]


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


def test_complex_prompts_are_the_mean_of_the_parts_that_apply(official: Path) -> None:
    task = load_task("t2i-compbench-complex", {"one_verifier": True})
    tags = {tag: [one for one in task.samples if one.tags == (tag,)] for tag in ("spatial", "action", "spatialaction")}
    assert {tag: len(some) for tag, some in tags.items()} == {"spatial": 58, "action": 212, "spatialaction": 30}
    hat, deed, both = task.samples[0], tags["action"][0], tags["spatialaction"][0]
    assert (hat.reference["objects"], hat.reference["relation"]) == (["hat", "coat"], "on top of")
    boxes = [seen("hat", score=0.9), seen("coat", shifted(10, 300), 0.7)]
    sought = [seen(name, shifted(0, 300 * place)) for place, name in enumerate(both.reference["objects"])]
    half = Reply("ok", "yes", {"yes": 0.3, "no": 0.3})
    plain = {one.text: "0.25" for one in (*deed.questions, *both.questions) if one.id == "likeness"}

    def scored(sample: Sample, found: list[Detection], **arguments: Any) -> Any:
        chosen = load_task("t2i-compbench-complex", {"one_verifier": True, **arguments})
        judge = ScriptedJudge({'"detect"': write_detections(found), **plain, "": half})
        return build_reward(chosen, judge).score([Generation(sample, 1, Response(PICTURE))])[0]

    placed = 0.25 * 0.9 + 0.25 * 0.7 + 0.5
    assert scored(hat, boxes).parts == {"attribute": 0.25, "spatial": pytest.approx(placed)}
    assert scored(hat, boxes).value == pytest.approx((0.25 + placed) / 2)
    assert scored(hat, boxes, official=True).value == pytest.approx(0.25 / 2)  # .4 without the place, below a half
    phrases = sum(one.group == "attribute" for one in deed.questions)
    assert scored(deed, []).value == pytest.approx((0.5**phrases + 0.25) / 2)
    triple = scored(both, sought)
    assert triple.value == pytest.approx(sum(triple.parts.values()) / 3)
    assert set(triple.parts) == {"attribute", "spatial", "action"}
    odd = next(one for one in tags["spatialaction"] if not one.reference["objects"])
    assert scored(odd, []).parts["spatial"] == 0.0
    broken = build_reward(task, ScriptedJudge({'"detect"': Reply("timeout", error="late"), "": half}))
    assert broken.score([Generation(hat, 1, Response(PICTURE))])[0].value is None


def test_detectors_that_stand_in_are_in_the_name_of_complex(official: Path, tmp_path: Path) -> None:
    task = load_task("t2i-compbench-complex", {})
    assert {name: part.get("verifier") for name, part in task.reward.options["parts"].items()} == {
        "attribute": None, "spatial": "detector", "action": "clip"}  # fmt: skip
    parts = {**task.reward.options["parts"]}
    parts["spatial"] = {**parts["spatial"], "verifier": "tests.spotter", "verifier_args": {"stand_in": "owlv2"}}
    parts["action"] = {**parts["action"], "verifier": "tests.oracle", "verifier_args": {}}
    reward = build_reward(
        replace(task, reward=replace(task.reward, options={"parts": parts})), ScriptedJudge({"": "yes"})
    )
    assert reward.record["stand_in"] == "owlv2"
    assert reward.range == (0.0, 1.0)


def test_an_unknown_option_of_the_rules_is_named() -> None:
    with pytest.raises(ValueError, match="did you mean 'official'"):
        read_rules({"oficial": True})
