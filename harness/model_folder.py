"""folder: pictures that exist already, in GenEval's layout, a run folder, or a JSONL of prompt and path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from harness.model import Cell, RequestFailed, Setting
from harness.run_folder import RunStore
from tasks.sample import Failure, Request, Response

LARGEST = 64_000_000
"""Pixels of the largest picture that is opened."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the pictures are."""

    path: Path
    """A folder in GenEval's layout (00000/metadata.jsonl, 00000/samples/0000.png), a run folder of ours, a folder with
    a JSONL file of its pictures, or that file; its lines hold `prompt` and `path`, or `sample`, `index` and `image`."""
    grid: int = 1
    """Columns, and rows, of files that hold several images of a prompt as tiles, row by row (DPG-Bench, OneIG: 2)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where each picture lies: by sample and index, or by prompt."""

    by_cell: Mapping[tuple[str, int], tuple[Path, str | None]]
    """With the prompt it was made for, where that is known"""
    by_prompt: Mapping[str, Sequence[Mapping[int, Path]]]
    """Sets of numbered pictures; a second sample with the same prompt has the second set."""

    def find(self, cell: Cell, earlier: int) -> Path | None:
        """The picture of a cell, if there is one; so many samples before it have the same prompt."""
        if (cell.sample, cell.index) in self.by_cell:
            path, made_for = self.by_cell[cell.sample, cell.index]
            return path if made_for in (None, cell.prompt) else None
        sets = self.by_prompt.get(cell.prompt, ())
        return sets[earlier].get(cell.index) if earlier < len(sets) else None


class FolderModel:
    """Hands out stored pictures; a request and its seed say which, through the plan."""

    def __init__(self, path: Path, setting: Setting, grid: int = 1) -> None:
        if grid < 1:
            raise ValueError(f"grid= is a number of columns of at least 1, not {grid}")
        stored = from_names(path, setting.plan, grid) if grid > 1 else index_of(path, setting.plan)
        self.grid = grid
        self.tiles = {(cell.prompt, cell.seed): cell.index for cell in setting.plan}
        samples: dict[str, dict[str, int]] = {}
        for cell in setting.plan:
            same = samples.setdefault(cell.prompt, {})
            same.setdefault(cell.sample, len(same))
        self.paths: dict[tuple[str, int], Path | None] = {
            (cell.prompt, cell.seed): stored.find(cell, samples[cell.prompt][cell.sample]) for cell in setting.plan
        }
        if setting.plan and not any(self.paths.values()):
            raise ValueError(
                f"no picture in {path} belongs to this task: {len(stored.by_cell)} are named by sample and index, "
                f"{len(stored.by_prompt)} prompts are named, and none of them is asked for"
            )
        content = content_of(one for one in self.paths.values() if one is not None)
        self.id = f"folder:{path.resolve().name}@{content[:12]}"
        self.record: Mapping[str, Any] = {
            "path": str(path),
            "pictures": sum(one is not None for one in self.paths.values()),
            "content_sha256": content,
        }

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        """The stored pictures; one that is missing or cannot be read fails its request alone."""
        return [Response(self.open(request, seed)) for request, seed in zip(requests, seeds, strict=True)]

    def open(self, request: Request, seed: int) -> Image.Image:
        """One picture, wholly read."""
        path = self.paths.get((request.prompt, seed))
        if path is None:
            raise RequestFailed(Failure("missing_image", f"no stored picture for {request.prompt!r}"))
        try:
            with Image.open(path) as image:
                if image.width * image.height > LARGEST:
                    raise RequestFailed(Failure("missing_image", f"{path.name} has more than {LARGEST} pixels"))
                image.load()
                return image.copy() if self.grid == 1 else tile(image, self.grid, self.tiles[request.prompt, seed])
        except FileNotFoundError:
            raise RequestFailed(Failure("missing_image", f"{path} does not exist")) from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise RequestFailed(Failure("missing_image", f"{path.name} cannot be read: {error}")) from None


def index_of(path: Path, plan: Sequence[Cell]) -> Stored:
    """What a folder or a JSONL file holds for a plan; ValueError says what was looked for."""
    images = 1 + max((cell.index for cell in plan), default=0)
    if not path.exists():
        raise ValueError(f"there is no folder or file {path}")
    if path.is_file():
        return from_lines(path, images)
    if (path / "run.json").exists():
        return from_run(path)
    numbered = sorted(folder for folder in path.iterdir() if (folder / "metadata.jsonl").is_file())
    if numbered:
        return from_geneval(numbered)
    lists = sorted(path.glob("*.jsonl"))
    if len(lists) == 1:
        return from_lines(lists[0], images)
    named = from_names(path, plan)
    if named.by_cell:
        return named
    raise ValueError(
        f"{path} holds neither run.json of a run, nor NNNNN/metadata.jsonl of GenEval's layout, nor pictures named by "
        f"the task's samples, nor one JSONL file of its pictures (it holds {len(lists)})"
    )


def tile(image: Image.Image, grid: int, index: int) -> Image.Image:
    """One tile of a grid, row by row; ValueError for a picture whose sides are no multiple of the grid's, and for a
    tile that is all black: where one of several pictures was not made, grids have such a hole."""
    if image.width % grid or image.height % grid:
        raise ValueError(f"its {image.width} x {image.height} pixels are no grid of {grid} x {grid} tiles")
    width, height = image.width // grid, image.height // grid
    left, top = index % grid * width, index // grid * height
    found = image.crop((left, top, left + width, top + height))
    if found.convert("RGB").getbbox() is None:
        raise ValueError(f"its tile {index} is all black, as where no picture was made")
    return found


def from_names(path: Path, plan: Sequence[Cell], grid: int = 1) -> Stored:
    """Pictures named by their samples, as most benchmarks name them: ID.png, and ID_0.png, ID_1.png for several."""
    found: dict[tuple[str, int], tuple[Path, str | None]] = {}
    for cell in plan:
        whole = [cell.sample] if cell.index < grid * grid else []
        names = [f"{cell.sample}_{cell.index}", *whole] if grid == 1 else whole
        if not Path(cell.sample).is_absolute() and ".." not in Path(cell.sample).parts:
            places = [path / f"{name}{ending}" for name in names for ending in (".png", ".jpg", ".jpeg", ".webp")]
            there = next((place for place in places if place.is_file()), None)
            if there is not None:
                found[cell.sample, cell.index] = (there, None)
    return Stored(found, {})


def content_of(paths: Iterable[Path]) -> str:
    """Hash of all pictures' bytes, so that a run cannot go on with other pictures under the same names."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"absent")
    return whole.hexdigest()


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of each line of a JSONL file; ValueError names a line that is no JSON object."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError:
            raise ValueError(f"line {number} of {path} is not JSON") from None
        if not isinstance(content, dict):
            raise ValueError(f"line {number} of {path} is not a JSON object")
        yield number, content


def from_run(path: Path) -> Stored:
    """The pictures of a run folder, finished or not."""
    rows = [row for row in RunStore(path).rows().values() if row.get("image")]
    return Stored({(row["sample"], row["index"]): (path / row["image"]["path"], row["prompt"]) for row in rows}, {})


def from_geneval(folders: Sequence[Path]) -> Stored:
    """GenEval's layout: a folder a prompt; a picture's name is its number, counted from the smallest there is."""
    found: dict[str, list[dict[int, Path]]] = {}
    for folder in folders:
        metadata = next((line for _, line in lines_of(folder / "metadata.jsonl")), {})
        if "prompt" not in metadata:
            raise ValueError(f"{folder / 'metadata.jsonl'} holds no prompt")
        pictures = (one for one in (folder / "samples").glob("*.png") if one.stem.isdecimal())
        found.setdefault(str(metadata["prompt"]), []).append({int(one.stem): one for one in pictures})
    first = min((number for sets in found.values() for some in sets for number in some), default=0)
    return Stored(
        {},
        {
            prompt: [{number - first: one for number, one in some.items()} for some in sets]
            for prompt, sets in found.items()
        },
    )


def from_lines(path: Path, images: int) -> Stored:
    """A JSONL of prompt and path, or of sample, index and image; paths are relative to the file."""
    by_cell: dict[tuple[str, int], tuple[Path, str | None]] = {}
    by_prompt: dict[str, list[Path]] = {}
    for number, line in lines_of(path):
        if {"sample", "index", "image"} <= set(line):
            if not isinstance(line["index"], int):
                raise ValueError(f"line {number} of {path} has the index {line['index']!r}, which is no whole number")
            by_cell[str(line["sample"]), line["index"]] = (path.parent / str(line["image"]), line.get("prompt"))
        elif {"prompt", "path"} <= set(line):
            by_prompt.setdefault(str(line["prompt"]), []).append(path.parent / str(line["path"]))
        else:
            raise ValueError(f"line {number} of {path} has neither prompt and path, nor sample, index and image")
    by_set = {
        prompt: [dict(enumerate(some[start : start + images])) for start in range(0, len(some), images)]
        for prompt, some in by_prompt.items()
    }
    return Stored(by_cell, by_set)


def build(arguments: Arguments, setting: Setting) -> FolderModel:
    """The pictures of a folder as a model."""
    return FolderModel(arguments.path, setting, arguments.grid)
