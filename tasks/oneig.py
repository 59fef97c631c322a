"""What the tasks of OneIG-Bench share: where its files are, its prompts, and their languages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from tasks.data import DataFile, Origin, check_count, hashes, read_file, version_of
from tasks.sample import Sample
from tasks.task import RewardSpec, Task

ORIGIN = Origin("OneIG-Bench", "OneIG-Bench/OneIG-Benchmark", "41b49831e79e6dde5323618c164da1c4cf0f699d", "none stated")
Language = Literal["en", "zh"]
FILES = {"en": ("OneIG-Bench.csv", 1120, "prompt_en"), "zh": ("OneIG-Bench-ZH.csv", 1320, "prompt_cn")}
"""File, prompts, and column of the prompt in each language."""
IMAGES = 4
CITATION = "Chang et al., OneIG-Bench, 2025"


def read_prompts(
    language: Language, data: Path | None, any_version: bool
) -> tuple[DataFile, Mapping[str, Mapping[str, str]]]:
    """The file, and the prompts of each category by their ids, which begin anew in each."""
    path, count, column = FILES[language]
    file = read_file(ORIGIN, path, data)
    rows = file.table()
    check_count(file, "prompts", len(rows), count, any_version)
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["category"], {})[row["id"]] = row[column]
    return file, found


def read_classes(file: DataFile) -> Mapping[str, Mapping[str, str]]:
    """The class of every prompt, by category and id; empty where it has none."""
    found: dict[str, dict[str, str]] = {}
    for row in file.table():
        found.setdefault(row["category"], {})[row["id"]] = row["class"].strip()
    return found


def check_known(file: DataFile, names: Collection[str], asked: Mapping[str, str], what: str) -> None:
    """ValueError where a file has something for prompts that there are not."""
    lost = sorted(set(names) - set(asked))
    if lost:
        raise ValueError(f"{file.name} has {what} for prompts that do not exist: {', '.join(lost[:10])}")


def likeness_task(
    name: str,
    language: Language,
    samples: Iterable[Sample],
    files: Sequence[DataFile],
    verifier: str,
    published_by: str = "",
) -> Task:
    """A part of the benchmark whose figure is the mean over images of one cosine."""
    return Task(
        name=name,
        version=version_of("1", files),
        split=language,
        samples=tuple(samples),
        reward=RewardSpec(reading="cosine", combine="pooled", verifier=verifier, options={"min_answered": 1.0}),
        images=IMAGES,
        published_by=published_by,
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes(files),
    )


def suffix(language: Language) -> str:
    """What the names of Chinese files end in."""
    return "_zh" if language == "zh" else ""
