"""oneig-reasoning: OneIG-Bench, whether pictures show the knowledge asked for, by likeness to an answer in words.

The official score is the cosine of LLM2CLIP, whose weights bring code of their own: serve it, or name a verifier of
your own that answers with a number. The default, CLIP, is a stand-in that cuts long answers, and is named in the task's
name; its figures are not those that are published, so there is no golden row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.data import check_count, read_file
from tasks.oneig import IMAGES, ORIGIN, Language, check_known, likeness_task, read_prompts, suffix
from tasks.sample import YES, Question, Request, Sample
from tasks.task import Task

CARD = Card(
    title="OneIG-Bench, reasoning",
    kind="questions",
    reading="cosine",
    combining="single value",
    headline="mean",
    judge="LLM2CLIP, the user's to bring; CLIP stands in",
    prompts=225,
    images=IMAGES,
    calls=900,
    origin=ORIGIN,
)
CATEGORY = "Knowledge_Reasoning"


@dataclass(frozen=True, slots=True)
class Arguments:
    """In which language."""

    language: Language = "en"
    """en, or zh for the Chinese prompts and answers."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    prompts, texts = read_prompts(arguments.language, arguments.data, arguments.any_version)
    file = read_file(ORIGIN, f"scripts/reasoning/gt_answer{suffix(arguments.language)}.json", arguments.data)
    answers = file.json()
    check_count(file, "answers", len(answers), CARD.prompts, arguments.any_version)
    asked = texts[CATEGORY]
    check_known(file, answers, asked, "answers")
    samples = (
        Sample(f"reasoning/{name}", Request(asked[name]), (Question("likeness", answer, YES),))
        for name, answer in answers.items()
    )
    return likeness_task("oneig-reasoning", arguments.language, samples, [prompts, file], "clip", "llm2clip")
