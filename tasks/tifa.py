"""tifa: TIFA v1.0, multiple-choice and yes/no questions over captions of four sources.

The questions (tifa_v1.0_question_answers.json) are the user's to bring; the split `sample` runs on the packaged sample
of the repository. A chat judge is asked with the choices listed and read exactly; `free_answers` asks the bare question
of a VQA model. Its answer must then spell a choice, or with `sentences` is taken to the choice nearest to it, which is
the published protocol (sentence-transformers/all-mpnet-base-v2); another encoder stands in the task's name. No figure
of it is published with a source that can be checked, so there is no golden row. The sample standard deviation over
captions is the standard error times the root of their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, hashes, read_file, users_questions, version_of
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

ORIGIN = Origin("TIFA", "Yushi-Hu/tifa", "8e37050f44ab4ee681e4251f3c8a9d4cc86e901e", "Apache-2.0", free=True)
CARD = Card(
    title="TIFA v1.0",
    kind="questions",
    reading="exact, choices listed; or the choice nearest to a free answer",
    combining="mean",
    headline="mean",
    judge="a VQA model, or a chat judge",
    prompts=4081,
    images=1,
    calls=0,
    origin=ORIGIN,
)
CAPTIONS, QUESTIONS = "tifa_v1.0/tifa_v1.0_text_inputs.json", "tifa_v1.0/tifa_v1.0_question_answers.json"
ADVICE = (
    "name it with --task-args questions=FILE, or lay it beside the captions in the folder of --data; "
    "split=sample runs without it"
)
SAMPLE = "sample/sample_question_answers.json", 2, 19
"""The sample's file, captions and questions."""
FIELDS = ("id", "caption", "question", "choices", "answer", "element_type")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part is asked for, and where its questions are."""

    split: Literal["v1.0", "sample"] = "v1.0"
    """v1.0 for the 4,081 captions, sample for the two that come with their questions."""
    questions: Path | None = None
    """tifa_v1.0_question_answers.json; looked for beside the captions when not given."""
    free_answers: bool = False
    """Whether the choices are kept from the judge, as from a VQA model."""
    sentences: str = ""
    """Checkpoint of a sentence encoder that takes a free answer to the nearest choice; with free_answers."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    if arguments.sentences and not arguments.free_answers:
        raise ValueError("sentences takes free answers to the nearest choice: say free_answers=true with it")
    if arguments.split == "sample":
        files = [read_file(ORIGIN, SAMPLE[0], arguments.data)]
        rows = files[0].json()
        check_count(files[0], "questions", len(rows), SAMPLE[2], arguments.any_version)
        wanted = list(dict.fromkeys(row["id"] for row in rows))
        check_count(files[0], "captions", len(wanted), SAMPLE[1], arguments.any_version)
    else:
        files = [
            read_file(ORIGIN, CAPTIONS, arguments.data),
            users_questions(ORIGIN, CARD.title, QUESTIONS, arguments.questions, arguments.data, ADVICE),
        ]
        captions, rows = (file.json() for file in files)
        check_count(files[0], "captions", len(captions), CARD.prompts, arguments.any_version)
        wanted = [row["id"] for row in captions]
    asked = by_caption(files[-1], rows)
    return Task(
        name="tifa",
        version=version_of("1", files),
        split=arguments.split,
        samples=tuple(_sample(one, asked[one], arguments.free_answers) for one in wanted if one in asked),
        reward=reward_of(arguments.sentences),
        answer_tags=True,
        licence=ORIGIN.licence,
        citation="Hu et al., TIFA, ICCV 2023",
        files=hashes(files),
        findings=tuple(_findings(wanted, asked)),
    )


def reward_of(sentences: str) -> RewardSpec:
    """Exact answers, or the choices nearest to free ones."""
    if not sentences:
        return RewardSpec(reading="exact", combine="pooled", verifier="http", options={"min_answered": 1.0})
    return RewardSpec("questions", "nearest", "pooled", "http", {"min_answered": 1.0, "sentences": sentences})


def by_caption(file: DataFile, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The questions of each caption, in file order; ValueError names a row that lacks something."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows, start=1):
        for field in FIELDS:
            if not row.get(field):
                raise ValueError(f"question {number} of {file.name} has no {field}")
        if row["answer"] not in row["choices"]:
            raise ValueError(f"question {number} of {file.name} has an answer that is none of its choices")
        found.setdefault(row["id"], []).append(row)
    return found


def _sample(caption: str, rows: Sequence[Mapping[str, Any]], free: bool) -> Sample:
    """Questions are keyed by place: a repeated text is two questions."""
    asked = tuple(
        Question(
            id=f"q{place}",
            text=row["question"] if free else with_choices(row),
            worth={choice: float(choice == row["answer"]) for choice in row["choices"]},
            tag=row["element_type"],
        )
        for place, row in enumerate(rows, start=1)
    )
    return Sample(caption, Request(rows[0]["caption"]), asked, (caption.rpartition("_")[0],))


def with_choices(row: Mapping[str, Any]) -> str:
    """The question with its choices listed."""
    return f"{row['question']}\nChoose one of: {', '.join(row['choices'])}. Answer with that choice alone."


def _findings(wanted: Sequence[str], asked: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    found = [f"{caption}: has no questions" for caption in wanted if caption not in asked]
    found += [f"{caption}: has questions and no caption" for caption in asked if caption not in set(wanted)]
    for caption, rows in asked.items():
        texts = [row["question"] for row in rows]
        found += [f"{caption}: asks {text!r} twice" for text in sorted({one for one in texts if texts.count(one) > 1})]
    return found
