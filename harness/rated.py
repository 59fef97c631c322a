"""Pictures that people have rated: the ratings are those of the benchmarks, the pictures are the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.assemble import load_task
from harness.known import Known, KnownSet, open_picture
from tasks.data import read_file
from tasks.dsg import ORIGIN
from tasks.sample import Sample
from tasks.task import Task

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
LIKERT = "dsg/data/tifa160-likert-anns.csv"
"""3,995 ratings from 1 to 5 of five models' pictures of 160 captions of TIFA."""
LIKERT_RATED = ("dsg", "tifa")
"""Benchmarks with questions about these captions."""


def rated_pictures(name: str, folder: Path, data: Path | None, most: int) -> KnownSet:
    """The rated pictures that lie in FOLDER/MODEL/ID.*, each with its mean rating; ValueError where there are none."""
    if not folder.is_dir():
        raise ValueError(f"--images {folder} is no folder")
    given = {} if data is None else {"data": str(data)}
    split = {"split": "tifa160"} if name == "dsg" else {}
    task = load_task(name, {**given, **split})
    ratings = likert_ratings(data) if name in LIKERT_RATED else {one.id: one.reference for one in task.samples}
    asked: list[Known] = []
    for path, sample, rating in found(task, ratings, folder):
        if most and len(asked) >= most:
            break
        image = open_picture(path, f"--images {folder}")
        asked.append(Known(image, sample.id, rating, path.parent.name, sample.id))
    if not asked:
        first = next((one.id for one in task.samples if one.id in ratings), None)
        if first is None:
            raise ValueError(f"the questions of {name} are about none of the rated captions")
        model = next(iter(ratings[first]))
        raise ValueError(
            f"{folder} holds none of the rated pictures; one of them would be {folder / model / first}.png"
        )
    return KnownSet(name, tuple(asked), rated=True, task=task)


def found(task: Task, ratings: Mapping[str, Mapping[str, float]], folder: Path) -> Iterator[tuple[Path, Sample, float]]:
    """The pictures that are there, prompt by prompt."""
    for sample in task.samples:
        for model, rating in ratings.get(sample.id, {}).items():
            paths = (folder / model / f"{sample.id}{ending}" for ending in ENDINGS)
            path = next((one for one in paths if one.is_file()), None)
            if path is not None:
                yield path, sample, rating


def likert_ratings(data: Path | None) -> dict[str, dict[str, float]]:
    """Mean rating by prompt and model; the questions know a prompt by its source."""
    sums: dict[str, dict[str, list[float]]] = {}
    for row in read_file(ORIGIN, LIKERT, data).table():
        sums.setdefault(row["source_id"], {}).setdefault(row["t2i_model"], []).append(float(row["answer"]))
    return {item: {model: sum(some) / len(some) for model, some in own.items()} for item, own in sums.items()}
