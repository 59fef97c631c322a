"""oneig-style: OneIG-Bench, whether pictures have the style asked for, by likeness to references of 29 styles.

The figure is the mean over pictures of the largest cosine to a reference of the style, by the mean of two encoders, CSD
and OneIG's own; their weights and references are the user's to bring, and neither is a class of transformers. The
verifier `style` takes any encoder that is one, with vectors or pictures as references, and the task's name tells which
stood in; serve the official two, or name a verifier of your own, for figures like the published ones. So there is no
golden row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.card import Card
from tasks.data import check_count, read_file
from tasks.oneig import IMAGES, ORIGIN, Language, check_known, likeness_task, read_prompts
from tasks.sample import YES, Question, Request, Sample
from tasks.task import Task

CARD = Card(
    title="OneIG-Bench, style",
    kind="questions",
    reading="cosine",
    combining="single value",
    headline="mean",
    judge="CSD and OneIG's style encoder, the user's to bring; any encoder stands in",
    prompts=114,
    images=IMAGES,
    calls=456,
    origin=ORIGIN,
)
CATEGORY, ROWS, STYLES = "Anime_Stylization", 245, 29
"""The category of its prompts, rows of its file, and styles."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """In which language."""

    language: Language = "en"
    """en, or zh for the Chinese prompts."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    prompts, texts = read_prompts(arguments.language, arguments.data, arguments.any_version)
    file = read_file(ORIGIN, "scripts/style/style.csv", arguments.data)
    rows = file.table()
    check_count(file, "rows", len(rows), ROWS, arguments.any_version)
    styles = {row["id"]: style_of(row["class"]) for row in rows if row["class"].strip()}
    check_count(file, "prompts with a style", len(styles), CARD.prompts, arguments.any_version)
    check_count(file, "styles", len(set(styles.values())), STYLES, arguments.any_version)
    asked = texts[CATEGORY]
    check_known(file, styles, asked, "styles")
    samples = (
        Sample(f"anime/{name}", Request(asked[name]), (Question("style", style, YES),), (style,))
        for name, style in styles.items()
    )
    return likeness_task("oneig-style", arguments.language, samples, [prompts, file], "style")


def style_of(name: str) -> str:
    """A style as files of references spell it: `Chinese ink painting` is `chinese_ink_painting`."""
    return name.strip().lower().replace(" ", "_")
