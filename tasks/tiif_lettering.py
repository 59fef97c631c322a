"""tiif-lettering: TIIF-Bench's prompts for text, by what pictures spell and not by what a judge says of it.

The words that a picture should spell are those its questions name. The score is `word recall`, the share of them that
have a word of their own among those that were read, at most .3 of its letters away; beside it stands `word distance`
(GNED), which is better when it is lower. Kept apart from the headline of `tiif`, as published. No figure of it is
published with a source that can be checked, so there is no golden row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.card import Card
from tasks.data import check_count, hashes, read_file, version_of
from tasks.sample import Question, Sample
from tasks.task import RewardSpec, Task
from tasks.tiif import CITATION, ORIGIN, samples_of

CARD = Card(
    title="TIIF-Bench, text by OCR",
    kind="lettering",
    reading="recall of words",
    combining="single value",
    headline="mean, short and long apart",
    judge="PaddleOCR",
    prompts=30,
    images=1,
    calls=30,
    origin=ORIGIN,
)
TAG = "text"
COUNTS = {"testmini": (30, 221), "test": (300, 2088)}
"""Prompts and wanted words of each split."""
NAMED = re.compile(r"Is the text '(.+)' in the image\?")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which part is asked for."""

    split: Literal["testmini", "test"] = "testmini"
    """testmini, or test for all prompts."""
    length: Literal["short", "long"] = "short"
    """short or long prompts."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    prompts, asked = (
        read_file(ORIGIN, f"data/{arguments.split}_{kind}prompts/{TAG}_{kind}prompts.jsonl", arguments.data)
        for kind in ("", "eval_")
    )
    samples = tuple(spelling(one) for one in samples_of(TAG, prompts, asked, arguments.length))
    pairs, words = COUNTS[arguments.split]
    check_count(prompts, "prompts", len(samples), pairs, arguments.any_version)
    total = sum(len(one.questions[0].text.splitlines()) for one in samples)
    check_count(asked, "wanted words", total, words, arguments.any_version)
    return Task(
        name="tiif-lettering",
        version=version_of("1", [prompts, asked]),
        split=f"{arguments.split}-{arguments.length}",
        samples=samples,
        reward=RewardSpec("lettering", "recall", "pooled", "ocr"),
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes([prompts, asked]),
    )


def spelling(sample: Sample) -> Sample:
    """The sample with its wanted words, a line each, as one text; ValueError for a question that names none."""
    found = [(one.text, NAMED.fullmatch(one.text.strip())) for one in sample.questions]
    for text, match in found:
        if match is None:
            raise ValueError(f"a question of {sample.id} of TIIF-Bench names no text: {text!r}")
    words = "\n".join(match[1] for _, match in found if match is not None)
    return Sample(sample.id, sample.request, (Question("words", words),))
