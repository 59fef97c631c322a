"""What the tasks of T2I-CompBench share: where its files are, its prompts by line, its nouns."""

from __future__ import annotations

from pathlib import Path

from tasks.data import DataFile, Origin, check_count, read_file

ORIGIN = Origin(
    "T2I-CompBench", "Karine-Huang/T2I-CompBench", "1b7094991a57f3c22abdd4f6e8ba6c1a15517073", "MIT", free=True
)
FOLDER, PROMPTS, IMAGES = "examples/dataset", 300, 10
"""Folder of the files, prompts of each category, and images of each prompt."""
CITATION = "Huang et al., T2I-CompBench++, 2025"


def read_prompts(category: str, data: Path | None, any_version: bool) -> tuple[DataFile, list[str]]:
    """The evaluation prompts of a category, which are keyed by line; the longer lists are no evaluation sets."""
    file = read_file(ORIGIN, f"{FOLDER}/{category}_val.txt", data)
    prompts = [line.strip() for line in file.lines()]
    check_count(file, "prompts", len(prompts), PROMPTS, any_version)
    return file, prompts


def read_nouns(data: Path | None) -> tuple[DataFile, dict[str, str]]:
    """The singular of every noun in `new_objects.txt`, by its singular and by its plural."""
    file = read_file(ORIGIN, f"{FOLDER}/new_objects.txt", data)
    pairs = [line.split(" - ") for line in file.lines()]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"{file.name} has a line that is not `singular - plural`")
    found = {plural.strip(): singular.strip() for singular, plural in pairs}
    return file, {**found, **{singular.strip(): singular.strip() for singular, _ in pairs}}
