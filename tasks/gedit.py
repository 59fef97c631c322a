"""gedit: GEdit-Bench, real user edits of eleven kinds, judged with VIEScore.

Two calls an image: success and over-editing (SC) on source and edit, naturalness and artifacts (PQ) on the edit, which
is resized to its source. O = sqrt(min SC * min PQ) per image. The wording is VIEScore's own, read from its files. No
published figure depends on a fault that can be reproduced, and judges drift (6.97 and 7.50 on the same images), so
there is no golden row, and no `official`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, hashes, read_file, version_of
from tasks.picture_file import PictureFile, absent
from tasks.pictures import absent_finding, gallery, hub_rows
from tasks.sample import Question, Request, Sample
from tasks.scale import whole_marks
from tasks.task import Task, equal, rubric

ORIGIN = Origin(
    "GEdit-Bench",
    "PKU-YuanGroup/UniWorld",
    "e64fa8e18642f3bbd09b7e0d06160acd502e03a9",
    "Apache-2.0 (instructions), MIT (wording); images by the card of the hub set",
    free=True,
    prefix="UniWorld-V1/univa/eval/gedit/",
)
WORDING = Origin(
    "VIEScore",
    "TIGER-AI-Lab/VIEScore",
    "2cbea4e8ce5721425a8772590ecdbe7d2edd1721",
    "MIT",
    free=True,
    prefix="viescore/",
)
CARD = Card(
    title="GEdit-Bench",
    kind="rubric",
    reading="marks 0-10, two calls",
    combining="min, sqrt of product",
    headline="mean of 11 tags",
    judge="gpt-4.1, or Qwen2.5-VL-72B-AWQ",
    prompts=604,
    images=1,
    calls=1208,
    origin=ORIGIN,
)
HUB = "stepfun-ai/GEdit-Bench"
COUNTS = {
    "background_change": 40, "color_alter": 40, "material_alter": 40, "motion_change": 40, "ps_human": 70,
    "style_change": 60, "subject-add": 60, "subject-remove": 55, "subject-replace": 60, "text_change": 99,
    "tone_transfer": 40,
}  # fmt: skip
MARKS = (("SC", "success"), ("SC", "over-editing"), ("PQ", "naturalness"), ("PQ", "artifacts"))
FOLDER = "prompts_raw/"
SUCCESS = ("context_no_delimit.txt", "prompts_0shot/two_image_edit_rule.txt", "prompts_0shot/tie_rule_SC.txt")
QUALITY = ("context_no_delimit.txt", "prompts_0shot/rule_PQ.txt")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part is asked for, and where its images are."""

    images: str = ""
    """A folder that holds fullset/TASK/LANGUAGE/KEY.png or the hub set's parquet files, or `hub` to download them."""
    split: Literal["full", "intersection"] = "full"
    """full, or intersection for the items that every compared model could edit (hub set only)."""
    language: Literal["en", "cn"] = "en"
    """Language of the instructions; cn is in the hub set only."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether a file with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says what is missing or of another version."""
    rows = hub_rows(ORIGIN, HUB, arguments.images)
    files: list[DataFile] = []
    if rows is None:
        if arguments.split != "full" or arguments.language != "en":
            raise ValueError(f"the split {arguments.split} in {arguments.language} is in the hub set {HUB} alone")
        files = [read_file(ORIGIN, "gedit_edit.json", arguments.data)]
        rows = iter(from_file(files[0], arguments))
    samples = tuple(samples_of(rows, arguments))
    if not samples:
        raise ValueError(f"{arguments.images} holds no row of the split {arguments.split} in {arguments.language}")
    success, quality = (wording(names, arguments.data) for names in (SUCCESS, QUALITY))
    missing = absent([one for sample in samples for one in sample.request.sources])
    return Task(
        name="gedit",
        version=version_of("1", files),
        split=f"{arguments.split}-{arguments.language}",
        samples=samples,
        reward=rubric(
            "root_product",
            calls=calls("\n".join(one.text() for one in success), "\n".join(one.text() for one in quality)),
        ),
        headline="mean of tags",
        weights=equal(COUNTS),
        scale=10.0,
        licence=ORIGIN.licence,
        citation="Liu et al., Step1X-Edit, 2025; Ku et al., VIEScore, ACL 2024",
        files=hashes([*files, *success, *quality]),
        findings=absent_finding(missing, len(samples), f"the hub set {HUB}"),
    )


def calls(success: str, quality: str) -> dict[str, dict[str, Any]]:
    """The two calls; text comes before the images, as released."""
    asked = {"form": "json list", "between": True, "text_first": True, "match_source": True}
    return {
        "SC": {**asked, "text": success.replace("<instruction>", "{prompt}"), "images": ["source", "image"]},
        "PQ": {**asked, "text": quality},
    }


def wording(names: Iterable[str], data: Path | None) -> list[DataFile]:
    """VIEScore's files, in the order in which they are joined."""
    return [read_file(WORDING, FOLDER + name, data) for name in names]


def from_file(file: DataFile, arguments: Arguments) -> list[dict[str, Any]]:
    """The rows of the English instructions' file, in the hub set's words; pictures come from a folder."""
    content = file.json()
    check_count(file, "edits", len(content), CARD.prompts, arguments.any_version)
    pictures = gallery(ORIGIN, HUB, arguments.images, arguments.data)
    return [
        {"key": key, "task_type": row["edit_type"], "instruction": row["prompt"], "instruction_language": "en",
         "input_image": pictures.picture(row["id"])}
        for key, row in content.items()
    ]  # fmt: skip


def samples_of(rows: Iterable[Mapping[str, Any]], arguments: Arguments) -> Iterable[Sample]:
    """The samples of one language and split; rows that share a key are told apart by a number."""
    seen: dict[str, int] = {}
    for row in rows:
        if row["instruction_language"] != arguments.language:
            continue
        if arguments.split == "intersection" and not row["Intersection_exist"]:
            continue
        name = f"{row['task_type']}/{row['instruction_language']}/{row['key']}"
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name} {seen[name]}"
        questions = tuple(Question(mark, mark, whole_marks(0, 10), group) for group, mark in MARKS)
        yield Sample(name, Request(row["instruction"], (picture_of(name, row),)), questions, (row["task_type"],))


def picture_of(name: str, row: Mapping[str, Any]) -> PictureFile:
    """The source image of a row."""
    stored = row["input_image"]
    return stored if isinstance(stored, PictureFile) else PictureFile(name, stored)
