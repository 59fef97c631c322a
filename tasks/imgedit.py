"""imgedit: ImgEdit-Bench, single edits of nine types, and the hard set UGE.

The judge's wording for the nine types is read from the benchmark's own file; UGE's is ours. `official` rounds each
image and each type to two decimals, as released; `per_image` heads with the mean over images, as BAGEL's copy does.
Golden row: BAGEL's printed types give 3.33 by our headline and 3.22 per image (`make proof`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.data import Origin, check_count, hashes, read_file, version_of
from tasks.picture_file import absent
from tasks.pictures import Gallery, absent_finding, gallery
from tasks.sample import Question, Request, Sample
from tasks.scale import whole_marks
from tasks.task import Task, equal, rubric

ORIGIN = Origin("ImgEdit", "PKU-YuanGroup/ImgEdit", "547185d12c08267a862b94248576e1746e479937", "none stated")
CARD = Card(
    title="ImgEdit-Bench",
    kind="rubric",
    reading="marks 1-5",
    combining="mean of 3",
    headline="mean of 9 tags",
    judge="gpt-4.1",
    prompts=737,
    images=1,
    calls=737,
    origin=ORIGIN,
)
HUB = "sysuyy/ImgEdit"
INNER = ("", "singleturn", "Benchmark/singleturn", "UGE", "Benchmark/UGE", "hard", "Benchmark/hard")
"""Folders in which the tar file of the hub set keeps its images."""
COUNTS = {
    "extract": 117, "style": 100, "add": 95, "adjust": 94, "background": 94, "replace": 92, "remove": 86, "action": 36,
    "compose": 23,
}  # fmt: skip
MARKS = {
    "add": ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence"),
    "remove": ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"),
    "replace": ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"),
    "adjust": ("Prompt Compliance", "Visual Seamlessness", "Physical & Detail Fidelity"),
    "style": ("Style Fidelity", "Content Preservation", "Rendering Quality"),
    "action": ("Action Fidelity", "Identity Preservation", "Visual & Anatomical Coherence"),
    "extract": ("Object Identity", "Mask Precision", "Visual Quality"),
    "background": ("Instruction Compliance", "Visual Seamlessness", "Physical Consistency"),
    "compose": ("Instruction Compliance", "Visual Naturalness", "Physical Consistency & Fine Detail"),
}
"""The three marks of each type."""
HARD = 47


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part is asked for, where its images are, and by which rule."""

    images: str = ""
    """The folder that Benchmark.tar of the hub set was unpacked to."""
    split: Literal["basic", "uge"] = "basic"
    """basic, or uge for the 47 hard edits."""
    official: bool = False
    """Rounds images and types on the way."""
    per_image: bool = False
    """Heads with the mean over images."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says what is missing or of another version."""
    basic = arguments.split == "basic"
    name = "Benchmark/Basic/basic_edit.json" if basic else "Benchmark/UGE/UGE_edit.json"
    files = [read_file(ORIGIN, name, arguments.data)]
    rows = files[0].json()
    check_count(files[0], "edits", len(rows), CARD.prompts if basic else HARD, arguments.any_version)
    if basic:
        files.append(read_file(ORIGIN, "Benchmark/Basic/prompts.json", arguments.data))
    pictures = gallery(ORIGIN, HUB, arguments.images, arguments.data, INNER)
    samples = tuple(_sample(key, row, pictures) for key, row in rows.items())
    missing = absent([one for sample in samples for one in sample.request.sources])
    over_tags = basic and not arguments.per_image
    return Task(
        name="imgedit",
        version=version_of("1", files),
        split=arguments.split,
        samples=samples,
        reward=rubric(
            "pooled",
            official=arguments.official,
            per_image=arguments.per_image,
            calls=calls(files[1].json()) if basic else {"marks": {**ASKED, "template": "imgedit_uge.txt"}},
        ),
        headline="mean of tags" if over_tags else "mean",
        weights=equal(COUNTS) if over_tags else {},
        scale=4.0,
        offset=1.0,
        decimals={"image": 2, "tag": 2} if arguments.official else {},
        licence=ORIGIN.licence,
        citation="Ye et al., ImgEdit, 2025",
        files=hashes(files),
        findings=absent_finding(missing, len(samples), f"Benchmark.tar of the hub set {HUB}"),
    )


ASKED: Mapping[str, Any] = {"form": "lines", "images": ["source", "image"], "text_first": True}


def calls(wordings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """A call for every type, in the benchmark's own words; ValueError for a type without."""
    found = {}
    for kind in MARKS:
        if "<edit_prompt>" not in wordings.get(kind, ""):
            raise ValueError(f"prompts.json of ImgEdit has no wording with <edit_prompt> for the type {kind}")
        found[kind] = {**ASKED, "text": wordings[kind].strip().replace("<edit_prompt>", "{prompt}")}
    return found


def _sample(key: str, row: Mapping[str, Any], pictures: Gallery) -> Sample:
    request = Request(row["prompt"], (pictures.picture(row["id"]),))
    kind = row.get("edit_type")
    if kind is None:
        return Sample(key, request, (Question("Score", "Score", whole_marks(1, 5), "marks"),))
    if kind not in MARKS:
        raise ValueError(f"edit {key} of ImgEdit is of the type {kind!r}, which is none of: {', '.join(MARKS)}")
    questions = tuple(Question(mark, mark, whole_marks(1, 5), "marks") for mark in MARKS[kind])
    return Sample(key, request, questions, (kind,), {"calls": {"marks": kind}})
