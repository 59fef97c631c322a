"""oneig-text: OneIG-Bench, whether pictures spell what they should, letter by letter.

The verifier reads out the text of every picture once. The figure is 1 - min(MAX, ED) (1 - CR) (1 - WAC) / MAX, with ED
the mean number of edits, CR the share of pictures without any and WAC the share of wanted words, all over all pictures;
MAX is 100 for English and 50 for Chinese. Its interval is by the delta method, which counts each picture as what it
adds to the formula. The published reader is Qwen2.5-VL-7B; the default, ocr, is another one and its figures are not
those that are published, so there is no golden row. `official` judges pictures as JPEG, takes an answer that there is
no text for such only with its full stop, and wants the letter n where the data write a line break as \\n.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.data import DataFile, check_count, hashes, read_file, version_of
from tasks.oneig import CITATION, IMAGES, ORIGIN, Language, check_known, read_classes, read_prompts, suffix
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

CARD = Card(
    title="OneIG-Bench, text",
    kind="lettering",
    reading="edits, exact texts, words",
    combining="1 - min(MAX, ED)(1 - CR)(1 - WAC) / MAX",
    headline="the same, pooled over images",
    judge="Qwen2.5-VL-7B-Instruct as a reader; OCR stands in",
    prompts=200,
    images=IMAGES,
    calls=800,
    origin=ORIGIN,
)
CATEGORY = "Text_Rendering"
MOST = {"en": 100.0, "zh": 50.0}
"""Edits from which on a text is as wrong as can be."""
ESCAPES = re.compile(r"(\\\\)|\\(?![n'\"])")
"""A backslash that is neither a line break's nor a quotation mark's: what follows is written as it stands."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """In which language, and by which rule."""

    language: Language = "en"
    """en, or zh for the Chinese prompts and texts."""
    official: bool = False
    """The released rule: JPEG, the full stop, and line breaks as letters."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    prompts, texts = read_prompts(arguments.language, arguments.data, arguments.any_version)
    classes = read_classes(prompts)[CATEGORY]
    file = read_file(ORIGIN, f"scripts/text/text_content{suffix(arguments.language)}.csv", arguments.data)
    rows = file.table()
    check_count(file, "texts", len(rows), CARD.prompts, arguments.any_version)
    wanted = {row["id"]: row["text_content"] for row in rows}
    check_known(file, wanted, texts[CATEGORY], "texts")
    samples = tuple(
        Sample(
            f"text/{name}",
            Request(texts[CATEGORY][name]),
            (Question("text", text if arguments.official else wanted_text(file, name, text)),),
            (classes[name],) if classes[name] else (),
        )
        for name, text in wanted.items()
    )
    return Task(
        name="oneig-text",
        version=version_of("1", [prompts, file]),
        split=arguments.language,
        samples=samples,
        reward=RewardSpec(
            "lettering",
            "oneig",
            "pooled",
            "ocr",
            {"most": MOST[arguments.language], "official": arguments.official},
        ),
        headline="text score",
        images=CARD.images,
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes([prompts, file]),
        findings=tuple(f"text/{name}: has line breaks written as \\n" for name, one in wanted.items() if "\\n" in one),
    )


def wanted_text(file: DataFile, name: str, raw: str) -> str:
    """The texts of a picture in one, from a list that is written as Python writes it; ValueError for anything else."""
    try:
        found = ast.literal_eval(ESCAPES.sub(r"\\\\", raw))
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise ValueError(f"the text of {name} in {file.name} is no list of texts: {raw[:60]!r}")
    return "\n".join(found)
