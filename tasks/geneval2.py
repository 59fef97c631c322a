"""geneval2: GenEval 2, compositional prompts with soft answers (Soft-TIFA).

An answer's value is the probability of its accepted forms as the first token, not renormalised. Our rule adds each
token once and never white space; `official` also adds the white-space token that the form " 7" begins with under Qwen's
tokenizer, as released. `scoring` hard and vqascore are tasks of other names, for they are other figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import Origin, check_count, hashes, read_file, version_of
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

ORIGIN = Origin(
    "GenEval2", "facebookresearch/GenEval2", "a6e82d2289e8d418f27f0adee77908b07060eea3", "CC BY-NC 4.0 (non-commercial)"
)
CARD = Card(
    title="GenEval 2",
    kind="questions",
    reading="forms (mass of the exact accepted forms)",
    combining="geometric mean (arithmetic mean beside)",
    headline="mean x 100",
    judge="Qwen3-VL-8B-Instruct with first-token probabilities",
    prompts=800,
    images=1,
    calls=6012,
    origin=ORIGIN,
)
FILE, QUESTIONS = "geneval2_data.jsonl", 6012
TEMPLATE = "{question} Answer in one word."
WHOLE = 'Does this image show "{prompt}"? Answer the question with Yes or No.'
"""The one question of the VQAScore variant."""
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MEAN = "arithmetic mean"
"""Name of the group of all questions, and so of the figure beside the headline: Soft-TIFA AM."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """How answers are valued, and by which rule."""

    scoring: Literal["soft", "hard", "vqascore"] = "soft"
    """soft for probabilities, hard for answers in words, vqascore for one question about the whole prompt."""
    official: bool = False
    """Adds the mass of the white-space token to counts, as released."""
    data: Path | None = None
    """Folder of the data file."""
    any_version: bool = False
    """Whether a file with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    file = read_file(ORIGIN, FILE, arguments.data)
    rows = file.records()
    check_count(file, "prompts", len(rows), CARD.prompts, arguments.any_version)
    check_count(file, "questions", sum(len(row["vqa_list"]) for row in rows), QUESTIONS, arguments.any_version)
    soft, whole = arguments.scoring == "soft", arguments.scoring == "vqascore"
    return Task(
        name="geneval2" if soft else f"geneval2-{arguments.scoring}",
        version=version_of("1", [file]),
        split="test",
        samples=tuple(_sample(place, row, arguments) for place, row in enumerate(rows)),
        reward=RewardSpec(
            reading="exact" if arguments.scoring == "hard" else "forms",
            combine="pooled" if whole else "pooled_geometric",
            verifier="http",
            options={
                "min_answered": 1.0,
                "template": "{question}" if whole else TEMPLATE,
                "official": arguments.official,
            },
        ),
        scale=100.0,
        answer_tags=not whole,
        licence=ORIGIN.licence,
        citation="GenEval 2, Meta Platforms, 2026",
        files=hashes([file]),
    )


def _sample(place: int, row: Mapping[str, Any], arguments: Arguments) -> Sample:
    prompt = row["prompt"]
    if arguments.scoring == "vqascore":
        asked = [Question("whole", WHOLE.replace("{prompt}", prompt), yes_forms(), MEAN)]
    else:
        value = worth_of if arguments.scoring == "hard" else forms_of
        asked = [
            Question(f"q{number}", question, value(question, answer, arguments.official), MEAN, skill)
            for number, ((question, answer), skill) in enumerate(zip(row["vqa_list"], row["skills"], strict=True), 1)
        ]
    tags = (f"atomicity {row['atom_count']:02d}",)
    return Sample(f"{place:03d}", Request(prompt), tuple(asked), tags)


def yes_forms() -> dict[str, float]:
    """The forms of yes."""
    return dict.fromkeys(("Yes", "yes", " yes", " Yes"), 1.0)


def forms_of(question: str, answer: str, official: bool) -> dict[str, float]:
    """The accepted forms of an answer as first tokens."""
    if not question.startswith("How many"):
        if answer != "Yes":
            raise ValueError(f"the question {question!r} of GenEval 2 has the answer {answer!r}, and only Yes is known")
        return yes_forms()
    digit = str(NUMBERS.index(answer))
    found = [answer, answer.capitalize(), f" {answer}", f" {answer.capitalize()}", digit, f" {digit}"]
    return dict.fromkeys([*found, " "] if official else found, 1.0)


def worth_of(question: str, answer: str, official: bool) -> dict[str, float]:  # noqa: ARG001 - one signature for both
    """The worth of an answer in words: of every number for a count, of yes and no for the rest."""
    if not question.startswith("How many"):
        return {"yes": 1.0, "no": 0.0}
    right = NUMBERS.index(answer)
    words = {word: float(number == right) for number, word in enumerate(NUMBERS)}
    return {**words, **{str(number): float(number == right) for number in range(len(NUMBERS))}}
