"""A task: samples, the reward that scores them, and how its figure is formed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.registry import unknown
from tasks.sample import Sample

HEADLINES = ("mean", "mean of tags", "weighted tags", "share complete", "pooled", "pooled by tag",
             "text score")  # fmt: skip
"""How scores become one figure: image scores over prompts, or within each tag and then over tags; the share of images
that are `complete`, a part of their score; all answers together, or within each tag and then over tags; or the formula
of OneIG-Bench over the texts of all images."""
OVER_TAGS = ("mean of tags", "weighted tags", "pooled by tag")
OVER_ANSWERS = ("pooled", "pooled by tag")
RESERVED = ("score", "correct")
"""Names of figures that no group of questions may take."""


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """Which reward scores the task; `verifier` is the task's reference verifier."""

    kind: str = "questions"
    reading: str = "share"
    combine: str = "geometric"
    verifier: str = "pixels"
    options: Mapping[str, Any] = field(default_factory=dict)


def rubric(combine: str, *, calls: Mapping[str, Any], **options: Any) -> RewardSpec:
    """Marks of a judge behind HTTP; `calls` says how it is asked."""
    return RewardSpec("rubric", "marks", combine, "http", {**options, "calls": calls})


def equal(tags: Collection[str]) -> dict[str, float]:
    """The same weight for every tag."""
    return dict.fromkeys(tags, 1.0 / len(tags))


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark or training set, ready to run; `headline` names how image scores become one figure."""

    name: str
    version: str
    split: str
    samples: tuple[Sample, ...]
    reward: RewardSpec
    headline: str = "mean"
    images: int = 1
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of each tag in the headline; equal ones over all tags when not given."""
    compounds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Further figures over tags by name, each with the weights of its tags."""
    scale: float = 1.0
    """What scores from 0 to 1 are multiplied by when they are told, such as 100."""
    offset: float = 0.0
    """What is then added, such as 1 for marks from 1 to 5 (with a scale of 4)."""
    decimals: Mapping[str, int] = field(default_factory=dict)
    """Decimals that released code rounds each `image` and each `tag` to on the way; never set by default."""
    answer_tags: bool = False
    """Whether answers are also counted under the tags of their questions."""
    released_tags: bool = False
    """Whether answers count under their tags as in DPG-Bench's released script: those about the last image of a prompt,
    each by itself, whatever its parents' answers are."""
    published_by: str = ""
    """The family of models that published figures are made with, where a verifier of another makes another task."""
    missing: Literal["exclude", "zero"] = "exclude"
    """What the official script does with what has no value: leaves it out, or counts it as nothing."""
    licence: str = ""
    citation: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every data file read."""
    findings: tuple[str, ...] = ()
    """Faults of the data, reported and never changed; what is done about each is the task's documented rule."""

    def __post_init__(self) -> None:
        if self.headline not in HEADLINES:
            raise ValueError(unknown("headline", self.headline, HEADLINES))
        for sample in self.samples:
            check(sample, self)
        check_weights(self)
        ids = [sample.id for sample in self.samples]
        if len(set(ids)) != len(ids):
            twice = sorted({one for one in ids if ids.count(one) > 1})[:10]
            raise ValueError(f"task {self.name!r} has samples with the same id: {', '.join(twice)}")


def check(sample: Sample, task: Task) -> None:
    """ValueError names a sample that could not be scored as it says."""
    place = f"sample {sample.id!r} of task {task.name!r}"
    ids = [question.id for question in sample.questions]
    for one in ids:
        if ids.count(one) > 1:
            raise ValueError(f"{place} has two questions with the id {one!r}")
    for question in sample.questions:
        if question.group in RESERVED:
            raise ValueError(f"{place} has a group of questions named {question.group!r}, which names a figure of ours")
    if task.headline in OVER_TAGS and not task.weights and not sample.tags:
        raise ValueError(f"{place} has no tag, so it would be missing from the mean of tags")


def check_weights(task: Task) -> None:
    """ValueError names a weight that could not be used."""
    if task.headline in ("weighted tags", "pooled by tag") and not task.weights:
        raise ValueError(f"the headline {task.headline!r} of task {task.name!r} needs the weights of its tags")
    for name, weights in (("headline", task.weights), *task.compounds.items()):
        wrong = sorted(tag for tag, weight in weights.items() if not weight > 0.0)
        if wrong:
            raise ValueError(f"task {task.name!r} gives no weight above 0 in its {name} to: {', '.join(wrong)}")
