"""genai-bench: GenAI-Bench by VQAScore, the probability of Yes to one question about the whole prompt.

The headline is over prompts that have a skill; each skill has a figure of its own. Published figures are those of
CLIP-FlanT5-XXL on pictures that are not part of the data, so there is no golden row: the human ratings in the data are
asserted instead. Negation sits near .5 for every model, for VQAScore does not see it.
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
    "GenAI-Bench",
    "PKU-YuanGroup/UniWorld",
    "e64fa8e18642f3bbd09b7e0d06160acd502e03a9",
    "Apache-2.0 / MIT",
    free=True,
    prefix="UniWorld-V1/univa/eval/genai/",
)
CARD = Card(
    title="GenAI-Bench",
    kind="questions",
    reading="forms (probability of Yes)",
    combining="single question",
    headline="mean over prompts with a skill",
    judge="CLIP-FlanT5-XXL, or a chat judge with first-token probabilities",
    prompts=1600,
    images=1,
    calls=1600,
    origin=ORIGIN,
)
ALL = "all"
"""Tag of every prompt that has a skill."""
COUNTS = {"1600": 1600, "527": 527}
WORDINGS = {
    "chat": 'Does this figure show "{prompt}"? Please answer Yes or No.',
    "t5": 'Does this figure show "{prompt}"? Please answer yes or no.',
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which set is asked for, and in which wording."""

    split: Literal["1600", "527"] = "1600"
    """Number of prompts of the set."""
    wording: Literal["chat", "t5"] = "chat"
    """The question's last words: for a chat model, or for CLIP-FlanT5."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    folder = f"eval_prompts/genai{arguments.split}"
    images, skills = (read_file(ORIGIN, f"{folder}/genai_{name}.json", arguments.data) for name in ("image", "skills"))
    rows = images.json()
    check_count(images, "prompts", len(rows), COUNTS[arguments.split], arguments.any_version)
    tags = tags_of(skills.json())
    return Task(
        name="genai-bench",
        version=version_of("1", [images, skills]),
        split=arguments.split,
        samples=tuple(_sample(name, row, tags.get(name, ()), arguments.wording) for name, row in rows.items()),
        reward=RewardSpec(
            reading="forms",
            combine="pooled",
            verifier="http",
            options={"min_answered": 1.0},
        ),
        headline="weighted tags",
        weights={ALL: 1.0},
        licence=ORIGIN.licence,
        citation="Li et al., GenAI-Bench, 2024; Lin et al., VQAScore, ECCV 2024",
        files=hashes([images, skills]),
        findings=tuple(findings_of(rows, tags)),
    )


def tags_of(skills: Mapping[str, list[int]]) -> dict[str, tuple[str, ...]]:
    """The skills of each prompt, by its five-digit id, and `all`."""
    found: dict[str, tuple[str, ...]] = {}
    for skill, ids in skills.items():
        for number in ids:
            found[f"{number:05d}"] = (*found.get(f"{number:05d}", (ALL,)), skill)
    return found


def _sample(name: str, row: Mapping[str, Any], tags: tuple[str, ...], wording: str) -> Sample:
    text = WORDINGS[wording].replace("{prompt}", row["prompt"])
    questions = (Question("whole", text, {"Yes": 1.0}, "whole"),)
    return Sample(name, Request(row["prompt"]), questions, tags, ratings_of(row))


def ratings_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The mean rating of each model's image, over the ratings that lie on the scale of 1 to 5."""
    found = {}
    for model, ratings in row["models"].items():
        some = [rating for rating in ratings if 1 <= rating <= 5]
        if some:
            found[model] = sum(some) / len(some)
    return found


def findings_of(rows: Mapping[str, Mapping[str, Any]], tags: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Ratings off the scale, prompts without a skill, and skills of prompts that do not exist."""
    found = [
        f"{name}: the rating {rating} of {model} lies off the scale of 1 to 5 and is left out"
        for name, row in rows.items()
        for model, ratings in row["models"].items()
        for rating in ratings
        if not 1 <= rating <= 5
    ]
    found += [
        f"{name}: its row has the id {row['id']}; the key counts" for name, row in rows.items() if row["id"] != name
    ]
    found += [f"{name}: has no skill, so it counts in no figure" for name in rows if name not in tags]
    return found + [f"{name}: has skills and does not exist" for name in tags if name not in rows]
