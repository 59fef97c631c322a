"""dsg: DSG-1k, yes/no questions with a dependency graph over ten prompt sources.

No figure of it is published with a source that can be checked, so there is no golden row; its combining is held by
hand-worked rows. `official` drops all dependencies of the eight items that hold a stray word, and counts tifa160_134,
whose questions all name a parent that does not exist, as 0, as the released loader does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.card import Card
from tasks.data import Origin, check_count, hashes, read_file, version_of
from tasks.proposition import Item, findings_of, items_of, numbers_of, questions_of
from tasks.sample import YES, Request, Sample
from tasks.task import RewardSpec, Task

ORIGIN = Origin("DSG", "j-min/DSG", "7330119a39f76ff90e619a8bd3ff321e71aa986b", "Apache-2.0", free=True)
CARD = Card(
    title="DSG-1k",
    kind="questions",
    reading="exact",
    combining="gate without cascade, mean",
    headline="mean",
    judge="any VQA model or chat judge",
    prompts=1060,
    images=1,
    calls=8182,
    origin=ORIGIN,
)
TEMPLATE = "{question} Answer with yes or no only."
SPLITS = {"dsg-1k": ("dsg/data/dsg-1k-anns.csv", 1060, 8182), "tifa160": ("dsg/data/tifa160-dev-anns.csv", 160, 920)}
"""File, items and questions of each split."""
SOURCES = {
    "tifa160": "tifa",
    "stanford_paragraph": "paragraph",
    "localized_narratives": "paragraph",
    "vrd": "relation",
    "countbench": "count",
    "diffusiondb": "real_user",
    "midjourney": "real_user",
    "posescript": "pose",
    "whoops": "defying",
    "drawtext": "text",
}
"""The tag of each prompt source."""
WORTHLESS = {"yes": 0.0, "no": 0.0}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part is asked for, and by which rule."""

    split: Literal["dsg-1k", "tifa160"] = "dsg-1k"
    """dsg-1k, or tifa160 for the 160 captions with human ratings."""
    official: bool = False
    """The released loader's faults."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    path, prompts, questions = SPLITS[arguments.split]
    file = read_file(ORIGIN, path, arguments.data)
    rows = file.table()
    items = items_of(file.name, rows)
    check_count(file, "items", len(items), prompts, arguments.any_version)
    check_count(file, "questions", len(rows), questions, arguments.any_version)
    return Task(
        name="dsg",
        version=version_of("1", [file]),
        split=arguments.split,
        samples=tuple(_sample(item, arguments.official) for item in items),
        reward=RewardSpec(
            reading="exact",
            combine="pooled",
            verifier="http",
            options={
                "gating": "direct",
                "min_answered": 1.0,
                "template": TEMPLATE,
                "official": arguments.official,
            },
        ),
        answer_tags=True,
        licence=ORIGIN.licence,
        citation="Cho et al., Davidsonian Scene Graph, ICLR 2024",
        files=hashes([file]),
        findings=tuple(findings_of(items)),
    )


def _sample(item: Item, official: bool) -> Sample:
    drop = official and any(numbers_of(row["dependency"])[1] for row in item.rows)
    worth = WORTHLESS if official and _orphaned(item.rows) else YES
    source = item.id.rpartition("_")[0]
    tags = (SOURCES[source],) if source in SOURCES else ()
    return Sample(item.id, Request(item.prompt), questions_of(item, drop, worth), tags)


def _orphaned(rows: Sequence[Mapping[str, str]]) -> bool:
    """Whether every question names a parent that does not exist."""
    ids = {row["proposition_id"].strip() for row in rows}
    return all(set(numbers_of(row["dependency"])[0]) - ids for row in rows)
