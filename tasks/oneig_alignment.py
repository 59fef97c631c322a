"""oneig-alignment: OneIG-Bench, whether pictures show what they should, by yes/no questions with dependencies.

One of the benchmark's five separate scores. Published figures need a model's pictures and Qwen2.5-VL-7B, so there is no
golden row; its combining is that of DSG. `official` takes an answer for yes only where it is exactly `Yes`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.card import Card
from tasks.data import DataFile, check_count, hashes, read_file, version_of
from tasks.oneig import CITATION, IMAGES, ORIGIN, Language, read_prompts, suffix
from tasks.sample import YES, Question, Request, Sample
from tasks.task import RewardSpec, Task

CARD = Card(
    title="OneIG-Bench, alignment",
    kind="questions",
    reading="exact",
    combining="gate without cascade, mean",
    headline="mean",
    judge="Qwen2.5-VL-7B-Instruct",
    prompts=695,
    images=IMAGES,
    calls=44924,
    origin=ORIGIN,
)
TEMPLATE = "{question}. Please answer 'Yes' or 'No' only."
PARTS = {"anime": "Anime_Stylization", "human": "Portrait", "object": "General_Object",
         "multilingualism": "Multilingualism"}  # fmt: skip
"""The category of the prompts that each file of questions is about; the last one is Chinese alone, and optional."""
COUNTS = {
    "en": {"anime": 4176, "human": 4059, "object": 2996},
    "zh": {"anime": 4151, "human": 4107, "object": 3010, "multilingualism": 2554},
}
"""Questions of each part."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """In which language, and by which rule."""

    language: Language = "en"
    """en, or zh for the Chinese prompts with their Chinese questions."""
    multilingualism: bool = False
    """Adds the 200 prompts of that category, which are Chinese alone; the split is named for it."""
    official: bool = False
    """An answer is yes only where it is exactly `Yes`."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    if arguments.multilingualism and arguments.language == "en":
        raise ValueError("multilingualism is asked about in Chinese alone: say language=zh with it")
    parts = [one for one in COUNTS[arguments.language] if one != "multilingualism" or arguments.multilingualism]
    prompts, texts = read_prompts(arguments.language, arguments.data, arguments.any_version)
    files = [prompts]
    samples: list[Sample] = []
    findings: list[str] = []
    for part in parts:
        file = read_file(ORIGIN, f"scripts/alignment/Q_D/{part}{suffix(arguments.language)}.json", arguments.data)
        found = [_sample(file, part, name, row, texts[PARTS[part]]) for name, row in file.json().items()]
        count = sum(len(one.questions) for one in found)
        check_count(file, "questions", count, COUNTS[arguments.language][part], arguments.any_version)
        findings += [text for one in found for text in findings_of(one)]
        files, samples = [*files, file], samples + found
    return Task(
        name="oneig-alignment",
        version=version_of("1", files),
        split=arguments.language + ("-multilingualism" if arguments.multilingualism else ""),
        samples=tuple(samples),
        reward=RewardSpec(
            reading="bare yes" if arguments.official else "exact",
            combine="pooled",
            verifier="http",
            options={
                "gating": "direct",
                "min_answered": 1.0,
                "template": TEMPLATE,
                "official": arguments.official,
            },
        ),
        images=CARD.images,
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes(files),
        findings=tuple(findings),
    )


def _sample(file: DataFile, part: str, name: str, row: Mapping[str, Any], texts: Mapping[str, str]) -> Sample:
    """An item; its questions and dependencies are JSON inside texts."""
    if name not in texts:
        raise ValueError(f"{file.name} asks about {name}, which has no prompt")
    try:
        asked, needs = json.loads(row["question"]), json.loads(row["dependency"])
        questions = tuple(
            Question(number, text, YES, tag=part, needs=tuple(str(one) for one in needs[number] if one != 0))
            for number, text in asked.items()
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the questions of {name} in {file.name} cannot be read: {error}") from None
    return Sample(f"{part}/{name}", Request(texts[name]), questions, (part,))


def findings_of(sample: Sample) -> list[str]:
    """Questions that are their own parents, come before them, or name one that does not exist."""
    ids = [one.id for one in sample.questions]
    found = []
    for place, question in enumerate(sample.questions):
        where = f"{sample.id} question {question.id}"
        for parent in question.needs:
            if parent not in ids:
                found.append(f"{where}: its parent {parent} does not exist")
            elif parent == question.id:
                found.append(f"{where}: is its own parent")
            elif ids.index(parent) > place:
                found.append(f"{where}: its parent {parent} comes later")
    return found
