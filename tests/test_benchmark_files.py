"""Every benchmark on its official files: counts, tags, faults that are told, other versions that are refused."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from tasks.registry import TASKS
from tasks.sample import Generation, Response
from tasks.task import Task
from tests.judge import ScriptedJudge


def tags_of(task: Task) -> Counter[str]:
    return Counter(tag for sample in task.samples for tag in sample.tags)


def asked(task: Task, **by: str) -> Counter[str]:
    """How many questions there are by tag or group."""
    return Counter(getattr(one, by["by"]) for sample in task.samples for one in sample.questions)


def told(task: Task, words: str) -> int:
    """How many findings say this."""
    return sum(words in finding for finding in task.findings)


WHOLE: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    ("geneval2", {}, 800, 6012),
    ("geneval2", {"scoring": "hard"}, 800, 6012),
    ("geneval2", {"scoring": "vqascore"}, 800, 800),
    ("dsg", {}, 1060, 8182),
    ("dsg", {"split": "tifa160"}, 160, 920),
    ("tifa", {"split": "sample"}, 2, 19),
    ("tiif", {}, 277, 1446),
    ("tiif", {"split": "test", "length": "long"}, 2538, 12160),
    ("wise-legacy", {}, 1000, 3000),
    ("wise-legacy", {"split": "rewritten"}, 1000, 3000),
    ("wise-verified", {}, 1000, 1000),
    ("t2i-reasonbench", {}, 800, 6245),
    ("t2i-reasonbench", {"split": "rewritten"}, 800, 6245),
    ("genai-bench", {}, 1600, 1600),
    ("genai-bench", {"split": "527"}, 527, 527),
    ("gedit", {}, 604, 2416),
    ("imgedit", {}, 737, 2211),
    ("imgedit", {"split": "uge"}, 47, 47),
    ("kris-bench", {}, 1267, 4469),
    ("risebench", {}, 64, 176),
    ("unigenbench", {}, 600, 1813),
    ("unigenbench", {"split": "zh_long"}, 600, 3920),
    ("r2i-bench", {}, 2883, 16598),
    ("oneig-alignment", {}, 695, 11231),
    ("t2i-compbench-actions", {}, 300, 300),
    ("t2i-compbench-complex", {}, 300, 1262),
    ("oneig-text", {"language": "zh"}, 200, 200),
    ("tiif-lettering", {"split": "test", "length": "long"}, 300, 300),
    ("oneig-style", {"language": "zh"}, 114, 114),
    ("oneig-reasoning", {"language": "zh"}, 225, 225),
    ("t2i-compbench-attributes", {"category": "shape"}, 300, 743),
    ("t2i-compbench-objects", {"category": "numeracy"}, 300, 1472),
    ("oneig-alignment", {"language": "zh", "multilingualism": True}, 895, 13822),
)


@pytest.mark.parametrize(("name", "arguments", "samples", "questions"), WHOLE)
def test_a_task_has_its_samples_and_questions_and_loads_fast(
    official: Path, name: str, arguments: dict[str, Any], samples: int, questions: int
) -> None:
    load_task("scenes", {"split": "train", "count": 1})  # what all tasks import
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    task = load_task(name, arguments)
    assert time.process_time() - start < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    assert len(task.samples) == samples
    assert sum(len(one.questions) for one in task.samples) == questions
    assert "+" not in task.version, "the files are the known ones"
    assert task.files
    assert task.licence


def test_every_registered_name_imports() -> None:
    for module in TASKS.values():
        assert {"Arguments", "load"} <= set(vars(__import__(module, fromlist=["load"])))


def test_geneval2_has_a_hundred_prompts_at_each_atomicity_and_its_skills(official: Path) -> None:
    task = load_task("geneval2", {})
    assert tags_of(task) == {f"atomicity {number:02d}": 100 for number in range(3, 11)}
    assert asked(task, by="tag") == {"count": 2025, "object": 2025, "attribute": 1214, "position": 662, "verb": 86}
    for sample in task.samples:
        ones = sum("one" in question.worth for question in sample.questions)
        assert sample.tags == (f"atomicity {len(sample.questions) - ones:02d}",)
    counts = Counter(next(iter(one.worth)) for sample in task.samples for one in sample.questions)
    wanted = {"Yes": 3987, "one": 812, "two": 179, "three": 237, "four": 204, "five": 205, "six": 204, "seven": 184}
    assert counts == wanted


def test_dsg_has_its_sources_categories_and_faults(official: Path) -> None:
    task = load_task("dsg", {})
    assert Counter(one.id.rpartition("_")[0] for one in task.samples) == {
        "tifa160": 160, **dict.fromkeys(("vrd", "diffusiondb", "stanford_paragraph", "whoops", "localized_narratives",
                                         "posescript", "midjourney", "drawtext", "countbench"), 100)
    }  # fmt: skip
    wide = Counter(one.tag.partition(" - ")[0] for sample in task.samples for one in sample.questions)
    assert wide == {"entity": 3395, "relation": 2069, "attribute": 1950, "global": 475, "other": 293}
    assert (told(task, "stray word"), told(task, "comes later"), told(task, "its own parent")) == (10, 48, 44)
    assert told(task, "repeats question") == 68
    needs = [one.needs for sample in task.samples for one in sample.questions]
    assert (sum(not one for one in needs), sum(len(one) > 1 for one in needs)) == (3311, 2038)  # 2045 with stray words


def test_dsg_official_drops_the_parents_of_eight_items_and_voids_one(official: Path) -> None:
    ours, theirs = (
        {one.id: one for one in load_task("dsg", {"official": official}).samples} for official in (False, True)
    )
    changed = {name for name, one in ours.items() if one.questions != theirs[name].questions}
    faulty = {"posescript_19", "posescript_41", "posescript_55", "posescript_69", "stanford_paragraph_54",
              "stanford_paragraph_55", "stanford_paragraph_72", "tifa160_67"}  # fmt: skip
    assert changed == {*faulty, "tifa160_134"}
    assert not any(one.needs for name in faulty for one in theirs[name].questions)
    assert all(not any(one.worth.values()) for one in theirs["tifa160_134"].questions)
    assert load_task("dsg", {"official": True}).reward.options["official"] is True


def test_dpg_takes_the_users_questions_and_its_own_prompts(official: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"take dpg_bench/dpg_bench\.csv of github\.com/TencentQQGYLab/ELLA"):
        load_task("dpg", {})
    stand_in = official / "DSG/dsg/data/dsg-1k-anns.csv"
    with pytest.raises(ValueError, match=r"holds 1060 items and not 1065"):
        load_task("dpg", {"questions": str(stand_in)})
    task = load_task("dpg", {"questions": str(stand_in), "any_version": True})
    assert (len(task.samples), task.images, task.scale) == (1060, 4, 100.0)
    assert told(task, "has a prompt and no questions") == 1065
    assert "+" in task.version
    shorter = load_task("dpg", {"questions": str(stand_in), "any_version": True, "official": True})
    assert [one.id for one in shorter.samples] == [one.id for one in task.samples][1:]
    prompts = json.loads((official / "DPG-Bench/dpgbench_prompts.json").read_text())
    starts = Counter(name.removesuffix(".txt").rstrip("0123456789_") or "number" for name in prompts)
    assert (len(prompts), starts["partiprompts"], starts["number"]) == (1065, 324, 299)


def test_tifa_lists_the_choices_unless_a_vqa_model_is_asked(official: Path) -> None:
    listed = load_task("tifa", {"split": "sample"}).samples[0].questions[1]
    assert listed.text == (
        "who is on the beach?\nChoose one of: surfer, swimmer, diver, skier. Answer with that choice alone."
    )
    assert listed.worth == {"surfer": 1.0, "swimmer": 0.0, "diver": 0.0, "skier": 0.0}
    bare = load_task("tifa", {"split": "sample", "free_answers": True}).samples[0].questions[1]
    assert bare.text == "who is on the beach?"
    with pytest.raises(ValueError, match=r"split=sample runs without it"):
        load_task("tifa", {})


def test_tiif_has_its_groups_and_answers(official: Path) -> None:
    mini, whole = load_task("tiif", {}), load_task("tiif", {"split": "test"})
    few = tags_of(mini)
    assert (len(few), few["text"], few["style"], few["real_world"], few["shape+color"]) == (39, 30, 30, 25, 10)
    assert (few["action+2d"], few["numeracy"], few["color+texture"], few["color+2d"]) == (8, 8, 5, 4)
    assert sum(mini.weights.values()) == pytest.approx(1.0)
    assert (len(mini.compounds["Basic"]), len(mini.compounds["Advanced"])) == (12, 26)
    for task, yes, no in ((mini, 1412, 34), (whole, 11831, 329)):
        assert Counter(one.worth["yes"] for sample in task.samples for one in sample.questions) == {1.0: yes, 0.0: no}
    assert {one.request.prompt for one in mini.samples} <= {one.request.prompt for one in whole.samples}
    assert told(whole, "has the prompt of text/") == 1
    assert mini.samples[0].request.prompt != load_task("tiif", {"length": "long"}).samples[0].request.prompt


def test_tiifs_wanted_words_are_those_that_its_questions_name(official: Path) -> None:
    task = load_task("tiif-lettering", {})
    assert len(task.samples) == 30
    assert task.samples[0].questions[0].text.split("\n") == ["drink", "tea", "eat", "cake", "relax", "enjoy", "delight"]
    judge = ScriptedJudge({"": "Drink tee\nEAT CAKES relax"})
    (score,) = build_reward(task, judge).score([Generation(task.samples[0], 1, Response(Image.new("RGB", (8, 8))))])
    assert score.value == pytest.approx(4 / 7)  # tee is a third of its letters away from tea
    assert score.parts["word distance"] == pytest.approx((1 / 3 + 1 / 5 + 2) / 7)


def test_both_wises_tag_by_id_and_are_different_sets(official: Path) -> None:
    legacy, verified = load_task("wise-legacy", {}), load_task("wise-verified", {})
    sciences = dict.fromkeys(("biology", "physics", "chemistry"), 100)
    assert tags_of(legacy) == {"culture": 400, "time": 167, "space": 133, **sciences}
    assert tags_of(verified) == {"culture": 400, **dict.fromkeys(("time", "space", *sciences), 120)}
    known = {one.request.prompt for one in legacy.samples}
    fresh = Counter(one.tags[0] for one in verified.samples if one.request.prompt not in known)
    assert fresh == {"culture": 68, "time": 118, "space": 102, "biology": 64, "physics": 58, "chemistry": 77}
    assert len({(one.tags[0], one.reference["subcategory"]) for one in legacy.samples}) >= 27
    assert load_task("wise-legacy", {"plain_mean": True}).reward.options["plain_mean"] is True
    assert "Explanation" not in legacy.samples[0].request.prompt


def test_reasonbench_pairs_odd_keys_and_tells_its_faults(official: Path) -> None:
    task = load_task("t2i-reasonbench", {})
    groups: Counter[tuple[str, str]] = Counter(
        (sample.tags[0], one.group) for sample in task.samples for one in sample.questions
    )
    assert groups == {
        ("idiom", "main"): 884, ("idiom", "quality"): 577, ("textual_image", "main"): 917,
        ("textual_image", "quality"): 586, ("entity", "main"): 391, ("entity", "other details"): 567,
        ("entity", "quality"): 584, ("scientific", "main"): 633, ("scientific", "other details"): 519,
        ("scientific", "quality"): 587,
    }  # fmt: skip
    assert told(task, "has another prompt") == 11
    assert told(task, "image_content is no text") == 4
    by_id = {one.id: one for one in task.samples}
    first = by_id["scientific/0033"].questions[0].text
    assert "rapid heat transfer" in first
    assert "0.5: Minimal/unclear condensation" in first
    assert by_id["scientific/0097"].questions[0].group == "main"
    swapped = [one.text for one in by_id["textual_image/0040"].questions if one.group == "quality"]
    rows = json.loads((official / "T2I-ReasonBench/deepseek_evaluation_qs/evaluation_textual_image.json").read_text())
    group = rows[39]["quality_evaluation"]
    assert swapped[1] == f"{group['q2']} Criterion: {group['c2']}"


def test_genai_has_its_skills_and_drops_two_ratings(official: Path) -> None:
    task = load_task("genai-bench", {})
    counts = tags_of(task)
    assert (counts["all"], counts["basic"], counts["advanced"], counts["negation"]) == (1593, 722, 871, 347)
    assert told(task, "lies off the scale") == 2
    assert told(task, "has no skill") == 7
    by_id = {one.id: one for one in task.samples}
    ratings = json.loads((official / "GenAI-Bench/eval_prompts/genai1600/genai_image.json").read_text())["00231"]
    kept = [one for one in ratings["models"]["DALLE_3"] if one != 41]
    assert by_id["00231"].reference["DALLE_3"] == pytest.approx(sum(kept) / 2)
    few = tags_of(load_task("genai-bench", {"split": "527"}))
    assert (few["all"], few["basic"], few["advanced"]) == (527, 214, 313)


def test_editing_tasks_have_their_types_and_tell_which_images_are_absent(official: Path) -> None:
    from tasks.gedit import COUNTS as GEDIT
    from tasks.imgedit import COUNTS as IMGEDIT
    from tasks.kris import TYPES

    assert tags_of(load_task("gedit", {})) == GEDIT
    assert tags_of(load_task("imgedit", {})) == IMGEDIT
    kris = load_task("kris-bench", {})
    wanted = {kind: count for kinds in TYPES.values() for kind, count in kinds.items()}
    assert {kind: count for kind, count in tags_of(kris).items() if kind in wanted} == wanted
    elements = Counter(len(one.request.sources) for one in kris.samples if "multi-element_composition" in one.tags)
    assert elements == {2: 30, 3: 35, 4: 9, 5: 1}
    assert told(kris, "rule-based_reasoning: the explanation is empty in 75 of 75 items: all") == 1
    assert told(kris, "anomaly_correction: the explanation is empty in 1 of 75 items") == 1
    rise = load_task("risebench", {})
    assert tags_of(rise) == {"temporal": 16, "causal": 16, "spatial": 16, "logical": 16}
    assert sum(len(one.pictures) for one in rise.samples) == 12
    assert told(rise, "66 of 76 source images were not found: temporal_reasoning_images/1.png") == 1


def test_imgedit_asks_in_the_benchmarks_own_words(official: Path) -> None:
    calls = load_task("imgedit", {}).reward.options["calls"]
    assert set(calls) == {"add", "remove", "replace", "adjust", "style", "action", "extract", "background", "compose"}
    assert all("{prompt}" in one["text"] and one["text_first"] for one in calls.values())


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [("geneval2", "GenEval2/geneval2_data.jsonl", "holds 799 prompts and not 800"),
     ("kris-bench", "KRIS-Bench/final_data.json", "holds 1266 items and not 1267")],
)  # fmt: skip
def test_a_file_of_another_version_is_refused_with_count_and_hash(
    official: Path, tmp_path: Path, name: str, file: str, line: str
) -> None:
    target = tmp_path / file
    target.parent.mkdir(parents=True)
    text = (official / file).read_text(encoding="utf-8")
    if file.endswith(".jsonl"):
        target.write_text("".join(text.splitlines(keepends=True)[1:]), encoding="utf-8")
    else:
        target.write_text(json.dumps(json.loads(text)[1:]), encoding="utf-8")
    with pytest.raises(ValueError, match=line) as raised:
        load_task(name, {"data": str(tmp_path)})
    assert "SHA-256" in str(raised.value)
    assert "+" in load_task(name, {"data": str(tmp_path), "any_version": True}).version


def test_a_file_with_a_byte_order_mark_and_crlf_reads_the_same(official: Path, tmp_path: Path) -> None:
    path = tmp_path / "GenEval2/geneval2_data.jsonl"
    path.parent.mkdir()
    content = (official / "GenEval2/geneval2_data.jsonl").read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert load_task("geneval2", {"data": str(tmp_path)}).samples == load_task("geneval2", {}).samples


def test_a_missing_file_says_which_whence_and_under_which_licence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"GenEval2/geneval2_data\.jsonl of github\.com/facebookresearch/GenEval2"):
        load_task("geneval2", {"data": str(tmp_path)})


def test_pictures_of_a_folder_are_found_by_the_benchmarks_own_names(official: Path, tmp_path: Path) -> None:
    shutil.copytree(official / "RISEBench/data", tmp_path / "rise")
    task = load_task("risebench", {"images": str(tmp_path / "rise")})
    maze = next(one for one in task.samples if one.id == "logical_reasoning_1")
    assert (maze.request.sources[0].size, maze.pictures[0].size) == ((520, 519), (521, 523))
    with pytest.raises(FileNotFoundError, match=r"temporal_reasoning_images/1\.png was not found"):
        task.samples[0].request.sources[0].tobytes()
