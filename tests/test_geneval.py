"""GenEval and GenEval++ on their official files, from detections and from marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import build_reward, load_task
from reward.detection import Detection, read_wanted, write_detections
from reward.verifier import Query, Reply
from tasks.geneval import PROMPTS
from tasks.geneval_plus import TAGS, expectation
from tasks.sample import Generation, Response
from tests.judge import ScriptedJudge

PICTURE = Image.new("RGB", (8, 8))


@pytest.fixture
def data(shared: Path) -> Path:
    return shared / "benchmarks"


class Finder:
    """Finds one of each class that is asked for, side by side, red where a colour is asked."""

    id = "finder"
    record: Mapping[str, Any] = {}

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [self.answer(query) for query in queries]

    def answer(self, query: Query) -> Reply:
        wanted = read_wanted(query.text)
        assert wanted is not None
        found = [
            Detection(name, (20.0 * place, 0, 20.0 * place + 9, 9), 0.95, "red" if name in wanted.coloured else "")
            for place, name in enumerate(wanted.classes)
        ]
        return Reply("ok", write_detections(found))


@pytest.mark.parametrize("name", ["geneval", "geneval-rewritten"])
def test_the_official_prompts_are_judged_by_the_official_rules(data: Path, name: str) -> None:
    task = load_task(name, {"data": str(data)})
    assert Counter(one.tags[0] for one in task.samples) == PROMPTS
    assert (task.version, task.images, task.headline) == ("1", 4, "mean of tags")
    assert sum(one.id.startswith("not") for sample in task.samples for one in sample.questions) == 80
    samples = [one for one in task.samples if one.tags[0] in ("single_object", "two_object", "counting", "position")]
    scores = build_reward(task, Finder()).score([Generation(one, 0, Response(PICTURE)) for one in samples])
    right = Counter(sample.tags[0] for sample, score in zip(samples, scores, strict=True) if score.value)
    assert right == {"single_object": 80, "two_object": 99, "position": 27}  # the second stands right of the first


def test_both_prompt_files_ask_for_the_same_things(data: Path) -> None:
    plain, rewritten = (load_task(name, {"data": str(data)}) for name in ("geneval", "geneval-rewritten"))
    assert [one.reference for one in plain.samples] == [one.reference for one in rewritten.samples]
    assert all(a.request != b.request for a, b in zip(plain.samples, rewritten.samples, strict=True))


def test_geneval_plus_shows_the_judge_a_checklist_and_the_model_only_the_prompt(data: Path) -> None:
    task = load_task("geneval-plus", {"data": str(data)})
    assert Counter(one.tags[0] for one in task.samples) == dict.fromkeys(TAGS, 40)
    judge = ScriptedJudge({"Instruction": '{"reason": "as asked", "correct": 1}'})
    score = build_reward(task, judge).score([Generation(task.samples[0], 0, Response(PICTURE))])[0]
    assert score.value == 1.0
    assert "- 1 brown bus\n- 1 green truck\n- 1 red skateboard" in judge.queries[0].text
    counting = next(one for one in task.samples if one.tags[0] == "counting")
    assert "no more than" in counting.reference["checklist"]


def test_an_expectation_is_told_in_words() -> None:
    asked = {"class": "bench", "count": 2, "size": "larger", "color": "red", "region": "above"}
    assert expectation(asked) == "2 larger red bench, in the region: above"


def test_a_shortened_file_is_another_version(tmp_path: Path, data: Path) -> None:
    lines = (data / "GenEval++/Geneval++.jsonl").read_text().splitlines()[1:]
    (tmp_path / "Geneval++.jsonl").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="holds 39 prompts of color_attr and not 40"):
        load_task("geneval-plus", {"data": str(tmp_path)})
