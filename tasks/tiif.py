"""tiif: TIIF-Bench, instruction following in 39 attribute groups, each prompt in a short and a long form.

All questions of an image are asked in one call. Short and long prompts are two splits; so are test and testmini. No
row of its board could be reproduced by its authors, so there is no golden row. `official` rounds accuracies to four
decimals on the way; its temperature of 1 is the verifier's to set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, hashes, read_file, version_of
from tasks.sample import Question, Request, Sample
from tasks.task import Task, equal, rubric

ORIGIN = Origin("TIIF-Bench", "A113N-W3I/TIIF-Bench", "3aae7504d2546516eaec2fea82fde9ae445dfea3", "none stated")
CARD = Card(
    title="TIIF-Bench",
    kind="rubric",
    reading="yes no lines, all in one reply",
    combining="pooled by attribute",
    headline="mean of 9 groups x 100, short and long apart",
    judge="GPT-4o, or Qwen2.5-VL-72B",
    prompts=277,
    images=1,
    calls=277,
    origin=ORIGIN,
)
SPACES, TEXTURES, ATTRIBUTES = ("2d", "3d"), ("color", "texture"), ("shape", "color", "texture")
REASONING = ("numeracy", "negation", "differentiation", "comparison")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Attribute": ("shape+color", "color+texture", "texture+color", "shape+texture"),
    "Relation": ("2d_spatial_relation", "3d_spatial_relation", "action+2d", "action+3d"),
    "Reasoning": REASONING,
    "Attribute+Relation": (
        *("action+color", "action+texture"),
        *(f"{one}+{space}" for one in ATTRIBUTES for space in SPACES),
    ),
    "Attribute+Reasoning": tuple(f"{one}+{other}" for one in REASONING for other in TEXTURES),
    "Relation+Reasoning": tuple(f"{one}+{space}" for one in REASONING for space in SPACES),
    "Text": ("text",),
    "Style": ("style",),
    "Real world": ("real_world",),
}
"""The nine groups, each the mean of its attributes."""
FAMILIES = dict(list(GROUPS.items())[:6])
BASIC = tuple(tag for name in ("Attribute", "Relation", "Reasoning") for tag in GROUPS[name])
ADVANCED = tuple(tag for name in list(GROUPS)[3:8] for tag in GROUPS[name])
"""12 and 26 attributes, whose means are told beside the headline."""
CITATION = "Wei et al., TIIF-Bench, 2025"
COUNTS = {"test": (2538, 12160), "testmini": (277, 1446)}
"""Pairs and questions of each split."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part is asked for, and by which rule."""

    split: Literal["testmini", "test"] = "testmini"
    """testmini, or test for all pairs."""
    length: Literal["short", "long"] = "short"
    """short or long prompts."""
    official: bool = False
    """Rounds accuracies on the way."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    files, samples = [], []
    for tag in sorted(tag for tags in GROUPS.values() for tag in tags):
        prompts, asked = (
            read_file(ORIGIN, f"data/{arguments.split}_{kind}prompts/{tag}_{kind}prompts.jsonl", arguments.data)
            for kind in ("", "eval_")
        )
        files += [prompts, asked]
        samples += samples_of(tag, prompts, asked, arguments.length)
    pairs, questions = COUNTS[arguments.split]
    check_count(files[0], "pairs with those of its fellow files", len(samples), pairs, arguments.any_version)
    total = sum(len(one.questions) for one in samples)
    check_count(files[1], "questions with those of its fellow files", total, questions, arguments.any_version)
    return Task(
        name="tiif",
        version=version_of("1", files),
        split=f"{arguments.split}-{arguments.length}",
        samples=tuple(samples),
        reward=rubric(
            "pooled",
            official=arguments.official,
            calls={"answers": {"template": "tiif.txt", "form": "yes no lines", "max_tokens": 2000}},
        ),
        headline="pooled by tag",
        weights={tag: 1 / len(GROUPS) / len(tags) for tags in GROUPS.values() for tag in tags},
        compounds={name: equal(tags) for name, tags in compounds().items()},
        scale=100.0,
        decimals={"tag": 2} if arguments.official else {},  # four decimals of a share
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes(files),
        findings=tuple(findings_of(samples)),
    )


def compounds() -> dict[str, tuple[str, ...]]:
    """Figures over several attributes: six of the nine groups, Basic and Advanced."""
    return {**FAMILIES, "Basic": BASIC, "Advanced": ADVANCED}


def samples_of(tag: str, prompts: DataFile, asked: DataFile, length: str) -> list[Sample]:
    """The pairs of one attribute; ValueError where prompts and questions do not belong together."""
    rows, questions = prompts.records(), asked.records()
    if len(rows) != len(questions):
        raise ValueError(f"{prompts.name} has {len(rows)} lines and {asked.name} has {len(questions)}")
    for number, row in enumerate([*rows, *questions]):
        if row.get("type") != tag:
            raise ValueError(
                f"line {number % len(rows) + 1} of {tag} prompts or questions is of type {row.get('type')!r}"
            )
    return [
        Sample(f"{tag}/{place}", Request(row[f"{length}_description"]), _questions(one, f"{tag}/{place}"), (tag,))
        for place, (row, one) in enumerate(zip(rows, questions, strict=True))
    ]


def _questions(row: Mapping[str, Any], where: str) -> tuple[Question, ...]:
    texts, answers = row["yn_question_list"], [answer.strip().lower() for answer in row["yn_answer_list"]]
    if len(texts) != len(answers) or not set(answers) <= {"yes", "no"}:
        raise ValueError(f"the questions of {where} of TIIF-Bench do not all have the answer yes or no")
    return tuple(
        Question(f"q{place}", text, {"yes": float(answer == "yes"), "no": float(answer == "no")}, "answers")
        for place, (text, answer) in enumerate(zip(texts, answers, strict=True), start=1)
    )


def findings_of(samples: Sequence[Sample]) -> list[str]:
    """Prompts that occur twice."""
    seen: dict[str, str] = {}
    found = []
    for sample in samples:
        if sample.request.prompt in seen:
            found.append(f"{sample.id}: has the prompt of {seen[sample.request.prompt]}")
        seen.setdefault(sample.request.prompt, sample.id)
    return found
