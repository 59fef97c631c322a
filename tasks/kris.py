"""kris-bench: KRIS-Bench, editing that needs factual, conceptual or procedural knowledge.

The headline is the mean of all single marks, put on 0 to 100, as BAGEL's evaluation sums them, which the authors point
to. `official` asks about anomaly_correction without its explanation, as the released code does by a misspelt name. Our
figures of Logical Reasoning come with and without the knowledge marks of rule-based_reasoning, whose explanations are
empty. Golden row: BAGEL's category averages give its printed overall (`make proof`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.card import Card
from tasks.data import Origin, check_count, hashes, read_file, version_of
from tasks.picture_file import absent
from tasks.pictures import Gallery, absent_finding, gallery
from tasks.sample import Question, Request, Sample
from tasks.scale import whole_marks
from tasks.task import Task, rubric

ORIGIN = Origin(
    "KRIS-Bench",
    "ByteDance-Seed/Bagel",
    "056b5fd51a88c1eb4547318609e25d40080fcf87",
    "none stated by the official repository",
    prefix="eval/gen/kris/",
)
CARD = Card(
    title="KRIS-Bench",
    kind="rubric",
    reading="marks 1-5",
    combining="25 (s - 1)",
    headline="mean of all marks",
    judge="gpt-4o-2024-11-20",
    prompts=1267,
    images=1,
    calls=3801,
    origin=ORIGIN,
)
HUB = "Liang0223/KRIS_Bench"
TYPES: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("Factual", "Attribute Perception"): {
        "count_change": 50, "color_change": 50, "size_adjustment": 50, "part_completion": 50, "anomaly_correction": 75,
    },
    ("Factual", "Spatial Perception"): {"viewpoint_change": 50, "position_movement": 50},
    ("Factual", "Temporal Prediction"): {"temporal_prediction": 74},
    ("Conceptual", "Social Science"): {"humanities": 75, "practical_knowledge": 50},
    ("Conceptual", "Natural Science"): {
        "biology": 68, "chemistry": 75, "geography": 75, "mathematics": 50, "medicine": 50, "physics": 75,
    },
    ("Procedural", "Logical Reasoning"): {"abstract_reasoning": 75, "rule-based_reasoning": 75},
    ("Procedural", "Instruction Decomposition"): {"multi-element_composition": 75, "multi-instruction_execution": 75},
}  # fmt: skip
"""Items of each type, under its meta category and category."""
PLACES = {kind: place for place, kinds in TYPES.items() for kind in kinds}
KNOWING = (*TYPES["Conceptual", "Social Science"], *TYPES["Conceptual", "Natural Science"],
           *TYPES["Procedural", "Logical Reasoning"])  # fmt: skip
"""The ten types that are asked for knowledge as well."""
WITHOUT = "Logical Reasoning without rule-based knowledge"
MARKS = {"VC": "consistency", "VQ": "quality", "IF": "instruction_following", "KP": "knowledge_plausibility"}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the images are, and by which rule."""

    images: str = ""
    """A folder laid out as the hub set (a folder a type), or `hub` to download it."""
    official: bool = False
    """anomaly_correction without its explanation."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether a file with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says what is missing or of another version."""
    file = read_file(ORIGIN, "final_data.json", arguments.data)
    rows = file.json()
    check_count(file, "items", len(rows), CARD.prompts, arguments.any_version)
    pictures = gallery(ORIGIN, HUB, arguments.images, arguments.data, ("", "KRIS_Bench"))
    samples = tuple(_sample(row, pictures, arguments.official) for row in rows)
    missing = absent([one for sample in samples for one in (*sample.request.sources, *sample.pictures)])
    shown = sum(len(sample.request.sources) + len(sample.pictures) for sample in samples)
    return Task(
        name="kris-bench",
        version=version_of("1", [file]),
        split="test",
        samples=samples,
        reward=rubric("pooled", official=arguments.official, calls=calls()),
        headline="pooled",
        scale=100.0,
        licence=ORIGIN.licence,
        citation="Wu et al., KRIS-Bench, 2025",
        files=hashes([file]),
        findings=(*absent_finding(missing, shown, f"the hub set {HUB}"), *findings_of(rows)),
    )


def calls() -> dict[str, dict[str, Any]]:
    """How each mark is asked for; a sample's `calls` name the variant for its type."""
    both, framed = ["source", "image"], ["frames"]
    told = {
        "consistency": ("kris_consistency.txt", both),
        "consistency in frames": ("kris_consistency_frames.txt", framed),
        "consistency with references": ("kris_consistency_references.txt", both),
        "quality": ("kris_quality.txt", ["image"]),
        "following": ("kris_following.txt", both),
        "following with explanation": ("kris_following_explained.txt", both),
        "following with truth": ("kris_following_truth.txt", [*both, "reference"]),
        "following in frames": ("kris_following_frames.txt", framed),
        "following with references": ("kris_following_references.txt", both),
        "following and knowledge": ("kris_knowledge.txt", both),
    }
    return {name: {"template": file, "images": images, "form": "json"} for name, (file, images) in told.items()}


def variants(kind: str, explained: bool) -> dict[str, str]:
    """Which call stands in for the plain one of a group."""
    if kind == "temporal_prediction":
        return {"consistency": "consistency in frames", "following": "following in frames"}
    if kind == "multi-element_composition":
        return {"consistency": "consistency with references", "following": "following with references"}
    if kind == "viewpoint_change":
        return {"following": "following with truth"}
    if kind in KNOWING:
        return {"following": "following and knowledge"}
    return {"following": "following with explanation"} if explained else {}


def _sample(row: Mapping[str, Any], pictures: Gallery, official: bool) -> Sample:
    kind = row["type"]
    if kind not in PLACES:
        raise ValueError(
            f"item {row['id']} of KRIS-Bench is of the type {kind!r}, which is none of: {', '.join(PLACES)}"
        )
    meta, category = PLACES[kind]
    names = row["ori_img"] if isinstance(row["ori_img"], list) else [row["ori_img"]]
    explained = kind == "anomaly_correction" and bool(row["explain_en"]) and not official
    reference = {"calls": variants(kind, explained), "explanation": row["explain_en"] or "(none is given)"}
    if kind == "temporal_prediction":
        reference["frame"] = missing_frame(names)
    truth = [row["gt_img"]] if kind == "viewpoint_change" else []
    return Sample(
        id=f"{kind}/{row['id']}",
        request=Request(row["ins_en"], tuple(pictures.picture(f"{kind}/{name}") for name in names)),
        questions=questions_of(kind, category),
        tags=(meta, category, kind),
        reference=reference,
        pictures=tuple(pictures.picture(f"{kind}/{name}") for name in truth),
    )


def questions_of(kind: str, category: str) -> tuple[Question, ...]:
    """The marks of a type; each counts under its own name, and in one category also under a figure without some."""
    groups = {"VC": "consistency", "VQ": "quality", "IF": "following"} | (
        {"KP": "following"} if kind in KNOWING else {}
    )
    found = []
    for mark, group in groups.items():
        counted = category == "Logical Reasoning" and (mark, kind) != ("KP", "rule-based_reasoning")
        tag = f"{mark}; {WITHOUT}" if counted else mark
        found.append(Question(mark, MARKS[mark], whole_marks(1, 5), group, tag))
    return tuple(found)


def missing_frame(names: list[str]) -> int:
    """The number from 1 to 4 that no given frame has."""
    given = {int(name.partition(".")[0].rpartition("-")[2]) for name in names}
    (number,) = {1, 2, 3, 4} - given
    return number


def findings_of(rows: list[Mapping[str, Any]]) -> list[str]:
    """Types whose explanations are empty though knowledge is asked about, and stray items among others."""
    found = []
    for kind in (*KNOWING, "anomaly_correction"):
        some = [row for row in rows if row["type"] == kind]
        empty = [row["id"] for row in some if not row["explain_en"]]
        if empty:
            which = "all" if len(empty) == len(some) else ", ".join(empty)
            found.append(f"{kind}: the explanation is empty in {len(empty)} of {len(some)} items: {which}")
    return found
