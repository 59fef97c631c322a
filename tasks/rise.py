"""risebench: RISEBench, temporal, causal, spatial and logical reasoning by editing.

The headline is accuracy: the share of items whose every applicable mark is the best. Its score S is told beside it.
`official` leaves appearance out of S for all items but logical ones wherever the data have the column
`consistency_free`, and asks about every logical item with a picture without its instruction, as released;
`before_2026_04` never counts an item with `consistency_free` as complete. Golden row: GPT-Image-1.5's categories give
its printed overall (`make proof`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import DataFile, Origin, check_count, find, hashes, local_file, read_file, version_of
from tasks.picture_file import absent
from tasks.pictures import HUB as DOWNLOAD
from tasks.pictures import Gallery, absent_finding, download, gallery
from tasks.sample import Question, Request, Sample
from tasks.scale import RIGHT_OR_WRONG, whole_marks
from tasks.task import Task, rubric

ORIGIN = Origin("RISEBench", "PhoenixZ810/RISEBench", "5f226519b25c005bb32fb83864bbd1845ab85c23", "none stated")
CARD = Card(
    title="RISEBench",
    kind="rubric",
    reading="marks 1-5 or 0/1",
    combining="weighted mean; all 5",
    headline="share complete",
    judge="gpt-4.1-2025-04-14",
    prompts=64,
    images=1,
    calls=176,
    origin=ORIGIN,
)
HUB = "PhoenixZ/RISEBench"
FILES = {"64": "data/data_total.json", "360": "datav2_total_w_subtask.json"}
COUNTS = {
    "64": {"temporal": 16, "causal": 16, "spatial": 16, "logical": 16},
    "360": {"temporal": 85, "causal": 90, "spatial": 100, "logical": 85},
}
WEIGHTS = {
    "appearance": 0.3, "reasoning": 0.5, "plausibility": 0.2, "reasoning alone": 0.8, "appearance uncounted": 0.0,
    "logical appearance": 0.3, "logical reasoning": 0.7,
}  # fmt: skip
"""Weights of the groups; an item has those groups whose weights sum to 1."""
NEVER = "never complete"
"""Tag of a mark whose item cannot be complete."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which set is asked for, where its images are, and by which rule."""

    images: str = ""
    """A folder laid out as the hub set or the repository's data/, or `hub` to download it."""
    split: Literal["64", "360"] = "64"
    """64 for the repository's set, 360 for the full one of the hub, which published figures are about."""
    official: bool = False
    """The released scorer's faults."""
    before_2026_04: bool = False
    """The released rule of completion before 2026-04-23."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether a file with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says what is missing or of another version."""
    file = data_file(arguments)
    rows = file.json()
    counts = COUNTS[arguments.split]
    for name, count in counts.items():
        found = sum(row["category"] == f"{name}_reasoning" for row in rows)
        check_count(file, f"{name} items", found, count, arguments.any_version)
    pictures = gallery(ORIGIN, HUB, arguments.images, arguments.data, ("", "data", "datav2_total_w_subtask"))
    column = {name for row in rows for name in row} & {"consistency_free", "reasoning_wo_ins"}
    samples = tuple(_sample(row, pictures, arguments, column) for row in rows)
    missing = absent([one for sample in samples for one in (*sample.request.sources, *sample.pictures)])
    shown = sum(len(sample.request.sources) + len(sample.pictures) for sample in samples)
    return Task(
        name="risebench",
        version=version_of("1", [file]),
        split=arguments.split,
        samples=samples,
        reward=rubric(
            "reasoning_first",
            weights=WEIGHTS,
            official=arguments.official,
            before_2026_04=arguments.before_2026_04,
            calls=calls(),
        ),
        headline="share complete",
        scale=100.0,
        licence=ORIGIN.licence,
        citation="Zhao et al., RISEBench, 2025",
        files=hashes([file]),
        findings=absent_finding(missing, shown, f"the hub set {HUB}"),
    )


def data_file(arguments: Arguments) -> DataFile:
    """The items' file: the repository's, or the hub's from wherever its images are."""
    name = FILES[arguments.split]
    if arguments.split == "64":
        return read_file(ORIGIN, name, arguments.data)
    if arguments.images == DOWNLOAD:
        return local_file(download(ORIGIN, HUB, []) / name, f"{ORIGIN.folder}/{name}")
    path = Path(arguments.images) / name if arguments.images else find(ORIGIN, name, arguments.data)
    if path is None or not path.is_file():
        raise ValueError(
            f"{name}, the 360 items of RISEBench, was not found: take it and its images from the hub set {HUB} "
            f"(licence: {ORIGIN.licence}) and name their folder with --task-args images=FOLDER; split=64 runs without"
        )
    return local_file(path, f"{ORIGIN.folder}/{name}")


def calls() -> dict[str, dict[str, Any]]:
    """How each mark is asked for; a sample's `calls` name the variant for its item."""
    source, truth = ["source", "image"], ["reference", "image"]
    told = {
        "appearance": ("rise_appearance.txt", source),
        "appearance by reference": ("rise_appearance.txt", truth),
        "logical appearance": ("rise_logical_appearance.txt", source),
        "logical appearance by reference": ("rise_logical_appearance.txt", truth),
        "reasoning": ("rise_reasoning.txt", ["image"]),
        "reasoning with source": ("rise_reasoning_source.txt", source),
        "reasoning by reference": ("rise_reasoning_picture.txt", truth),
        "logical reasoning": ("rise_logical_text.txt", ["image"]),
        "logical reasoning by reference": ("rise_logical_picture.txt", truth),
        "logical reasoning by reference alone": ("rise_logical_picture_alone.txt", truth),
        "plausibility": ("rise_plausibility.txt", ["image"]),
    }
    return {
        name: {"template": file, "images": images, "form": "lines", "max_side": 768}
        for name, (file, images) in told.items()
    }


def is_set(row: Mapping[str, Any], field: str) -> bool:
    """Whether a field is there and says so; NaN, which is not equal to itself, does not."""
    value = row.get(field)
    return bool(value) and value == value


def _sample(row: Mapping[str, Any], pictures: Gallery, arguments: Arguments, column: set[str]) -> Sample:
    category = row["category"].removesuffix("_reasoning")
    asked = logical(row, arguments, column) if category == "logical" else plain(row, arguments, column)
    barred = arguments.before_2026_04 and is_set(row, "consistency_free")
    scale = RIGHT_OR_WRONG if category == "logical" else whole_marks(1, 5)
    questions = tuple(Question(name, "Final Score", scale, name, NEVER if barred else "") for name in asked)
    subtask = (str(row["subtask"]),) if is_set(row, "subtask") else ()
    return Sample(
        id=row["index"],
        request=Request(row["instruction"], (pictures.picture(row["image"]),)),
        questions=questions,
        tags=(category, *subtask),
        reference={"calls": asked, "reference": row.get("reference") or row.get("reference_txt") or ""},
        pictures=(pictures.picture(row["reference_img"]),) if is_set(row, "reference_img") else (),
    )


def plain(row: Mapping[str, Any], arguments: Arguments, column: set[str]) -> dict[str, str]:
    """The groups of marks of a temporal, causal or spatial item, each with its call."""
    by_picture = is_set(row, "reference_img")
    appearance = "appearance by reference" if by_picture else "appearance"
    reasoning = "reasoning with source" if is_set(row, "reasoning_img") else "reasoning"
    reasoning = "reasoning by reference" if by_picture else reasoning
    if is_set(row, "consistency_free"):
        return {"reasoning alone": reasoning, "plausibility": "plausibility"}
    if arguments.official and "consistency_free" in column:
        return {"appearance uncounted": appearance, "reasoning alone": reasoning, "plausibility": "plausibility"}
    return {"appearance": appearance, "reasoning": reasoning, "plausibility": "plausibility"}


def logical(row: Mapping[str, Any], arguments: Arguments, column: set[str]) -> dict[str, str]:
    """The groups of marks of a logical item, each with its call."""
    if not is_set(row, "reference_img"):
        return {"logical appearance": "logical appearance", "logical reasoning": "logical reasoning"}
    alone = "reasoning_wo_ins" in column if arguments.official else is_set(row, "reasoning_wo_ins")
    return {
        "logical appearance": "logical appearance by reference",
        "logical reasoning": f"logical reasoning by reference{' alone' if alone else ''}",
    }
