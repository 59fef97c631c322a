"""t2i-reasonbench: T2I-ReasonBench, idioms, text design, entities and science that must be inferred.

The judge first describes the image, then answers each group of questions in a continuation of that first turn, by
criteria for 1, 0.5 and 0. It never sees the prompt. Published rows need a model's pictures and Qwen2.5-VL-72B, so there
is no golden row. The released script for entities cannot run, so there is no `official`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, hashes, read_file, version_of
from tasks.sample import Question, Request, Sample
from tasks.scale import ZERO_HALF_ONE
from tasks.task import Task, equal, rubric

ORIGIN = Origin(
    "T2I-ReasonBench", "KaiyueSun98/T2I-ReasonBench", "efc1d206901b1be71688039a45c3ad8dec01a084", "none stated"
)
CARD = Card(
    title="T2I-ReasonBench",
    kind="rubric",
    reading="marks 0 / .5 / 1, a list for each group",
    combining="by group, .7 main + .3 other details",
    headline="mean of 4 tags x 100",
    judge="Qwen2.5-VL-72B-Instruct",
    prompts=800,
    images=1,
    calls=2800,
    origin=ORIGIN,
)
DIMENSIONS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "idiom": ("idiom_interpretation", {"reason_evaluation": 884, "quality_evaluation": 577}),
    "textual_image": ("textual_image_design", {"reason_evaluation": 917, "quality_evaluation": 586}),
    "entity": (
        "entity_reasoning",
        {"entity_evaluation": 391, "other_details_evaluation": 567, "quality_evaluation": 584},
    ),
    "scientific": (
        "scientific_reasoning",
        {"scientific_evaluation": 633, "other_details_evaluation": 519, "quality_evaluation": 587},
    ),
}
"""The prompts' file, and the groups of questions with their counts, of each dimension."""
GROUPS = {"other_details_evaluation": "other details", "quality_evaluation": "quality"}
"""Names of groups; every other group is the dimension's main one."""
WEIGHTS = {"main": 0.7, "other details": 0.3, "quality": 0.0}
"""Where there are no other details, the main group counts alone; quality is told apart."""
KEY = re.compile(r"(.*?)q(\d+)")
ITEMS = 200


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which prompts are asked for."""

    split: Literal["test", "rewritten"] = "test"
    """test, or rewritten for the prompts of the authors' pipeline, which is a task of its own."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    rewritten = arguments.split == "rewritten"
    files: list[DataFile] = []
    samples: list[Sample] = []
    findings: list[str] = []
    for dimension, (name, counts) in DIMENSIONS.items():
        path = f"pipeline_prompts/{dimension}_pipeline_prompts.json" if rewritten else f"prompts/{name}.json"
        prompts = read_file(ORIGIN, path, arguments.data)
        asked = read_file(ORIGIN, f"deepseek_evaluation_qs/evaluation_{dimension}.json", arguments.data)
        rows, questions = prompts.json(), asked.json()
        check_count(prompts, "prompts", len(rows), ITEMS, arguments.any_version)
        check_asked(asked, questions, [row["id"] for row in rows], counts, arguments.any_version)
        files += [prompts, asked]
        field = "reason_prompt" if rewritten else "prompt"
        pairs = list(zip(rows, questions, strict=True))
        samples += [_sample(dimension, row, row[field], one, list(counts)) for row, one in pairs]
        findings += [text for row, one in pairs for text in faults_of(f"{dimension} {row['id']}", row, one)]
    return Task(
        name="t2i-reasonbench-rewritten" if rewritten else "t2i-reasonbench",
        version=version_of("1", files),
        split="test",
        samples=tuple(samples),
        reward=rubric("by_group", weights=WEIGHTS, calls=calls()),
        headline="mean of tags",
        weights=equal(DIMENSIONS),
        scale=100.0,
        licence=ORIGIN.licence,
        citation="Sun et al., T2I-ReasonBench, 2025",
        files=hashes(files),
        findings=tuple(findings),
    )


def calls() -> dict[str, dict[str, Any]]:
    """The first turn, and a continuation of it for each group."""
    asked = {"template": "reasonbench_questions.txt", "form": "json list", "after": "description", "max_tokens": 3000}
    first = {"template": "reasonbench_describe.txt", "form": "", "max_tokens": 2000}
    return {"description": first, **{name: dict(asked) for name in WEIGHTS}}


def check_asked(
    file: DataFile, rows: Sequence[Mapping[str, Any]], ids: Sequence[int], counts: Mapping[str, int], any_version: bool
) -> None:
    """ValueError for questions of other items, or of another number."""
    if [row["id"] for row in rows] != list(ids):
        raise ValueError(f"{file.name} is not about the items of its prompts, in their order")
    for group, count in counts.items():
        found = sum(len(list(pairs_of(row[group]))) for row in rows)
        check_count(file, f"questions in {group}", found, count, any_version)


def pairs_of(group: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The questions of a group with their criteria, in the order of their numbers.

    Keys are `q1` and `c1`, some with a prefix such as `sci_`, some going on with the numbers of the group before; a
    criterion may be an object, and one item keeps the scales apart, under `scoring`.
    """
    found = [(match[1], int(match[2]), key) for key in group if (match := KEY.fullmatch(key))]
    scales = group.get("scoring", {})
    for prefix, number, key in sorted(found, key=lambda one: one[1]):
        scale = scales.get(f"score_{number}", "")
        yield group[key], " ".join(filter(None, (spelled(group[f"{prefix}c{number}"]), spelled(scale))))


def spelled(criterion: Any) -> str:
    """A criterion as text: an object's entries one after another."""
    if isinstance(criterion, Mapping):
        return "; ".join(f"{str(key).removeprefix('score_')}: {spelled(value)}" for key, value in criterion.items())
    return str(criterion)


def _sample(
    dimension: str, row: Mapping[str, Any], prompt: str, asked: Mapping[str, Any], groups: Sequence[str]
) -> Sample:
    questions = []
    for group in groups:
        name = GROUPS.get(group, "main")
        for number, (question, criterion) in enumerate(pairs_of(asked[group]), start=1):
            text = f"{question} Criterion: {criterion}"
            questions.append(Question(f"{name} {number}", text, ZERO_HALF_ONE, name))
    tags = (dimension, f"{dimension}: {row['tag']}") if "tag" in row else (dimension,)
    return Sample(f"{dimension}/{row['id']:04d}", Request(prompt), tuple(questions), tags)


def faults_of(where: str, row: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What is odd about an item; nothing is changed because of it."""
    found = []
    if "prompt" in row and row["prompt"] != asked["prompt"]:
        found.append(f"{where}: the questions' file has another prompt; the prompts' file counts")
    if not isinstance(asked["image_content"], str):
        found.append(f"{where}: image_content is no text")
    for name, group in asked.items():
        if name.endswith("_evaluation"):
            keys = [key for key in group if KEY.fullmatch(key)]
            if keys != [f"q{number}" for number in range(1, len(keys) + 1)]:
                found.append(f"{where}: the questions of {name} are keyed {', '.join(keys)}")
            if "scoring" in group:
                found.append(f"{where}: {name} keeps its scales apart")
            odd = sum(isinstance(value, Mapping) for key, value in group.items() if key != "scoring")
            found += [f"{where}: {odd} criteria of {name} are objects"] if odd else []
    return found
