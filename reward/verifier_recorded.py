"""recorded: answers that were given before, from a run folder, a table, or the JSON of a published evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward.detection import read_wanted
from reward.lettering_prompt import PROMPT
from reward.recorded_boxes import boxes_of_clauses
from reward.recorded_layout import LAYOUTS, MODEL, first_of, layout_of, rows_of
from reward.recording import Entry, Picture, Recording
from reward.verifier import Query, Reply
from tasks.key import seed_for

VERDICTS = "verdicts.jsonl"
READ = (".csv", ".tsv", ".jsonl", ".json")
IMAGES = 64
"""Images of one prompt whose seeds are known from the run's seed."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the answers are."""

    path: Path
    """A run folder of ours, a CSV, TSV, JSONL or JSON file, or a folder of such files"""
    layout: str = "auto"
    """run, table, viescore, tiif or geneval; found out from the columns when not said"""
    model: str = ""
    """Only rows of this model, where a file holds several"""
    contains: str = ""
    """Only files of a folder whose path holds this text, such as short_description"""
    seed: int = 0
    """The seed of the run that is made, which says which image is asked about"""


class RecordedVerifier:
    """Answers by sample, image and question, without a look at the picture; what is not recorded has no answer."""

    def __init__(self, recording: Recording, identity: str, record: Mapping[str, Any], seed: int) -> None:
        self.recording, self.id, self.seed = recording, identity, seed
        self.record: Mapping[str, Any] = record

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        """One reply a query, in order."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: Query) -> Reply:
        sample, seed, name = query.about
        index = self._index(sample, seed)
        picture = None if index is None else self.recording.picture(sample, index)
        if index is None or picture is None:
            return Reply("skipped", error=f"nothing is recorded about sample {sample!r}, the image with seed {seed}")
        reply = self._found(query, (sample, index), picture, name)
        return reply or Reply("skipped", error=f"no answer is recorded to {name!r} of sample {sample!r} image {index}")

    def _found(self, query: Query, place: tuple[str, int], picture: Picture, name: str) -> Reply | None:
        if read_wanted(query.text) is not None:
            return detections_of(picture)
        if query.text == PROMPT:
            return reading_of(picture)
        entry = picture.answers.get(name)
        if query.answers or (entry and name not in picture.groups):  # a free answer is one about a question too
            return entry.reply if entry else None
        if not name:  # a turn before the marks: nothing is read from its reply
            return Reply("ok")
        return self.recording.reply_of(place, picture, name)

    def _index(self, sample: str, seed: int) -> int | None:
        """The number of the image that has this seed in a run of the seed that was named."""
        return next((index for index in range(IMAGES) if seed_for(self.seed, sample, index) == seed), None)


def detections_of(picture: Picture) -> Reply | None:
    """What a detector found, from its reply or from the clauses that were made of it."""
    whole = picture.groups.get("", {}).get("")
    if whole is not None:
        return whole.reply
    entries = list(picture.answers.values())
    failed = next((one.reply for one in entries if one.reply.status != "ok"), None)
    if failed is not None or not entries:
        return failed
    found = boxes_of_clauses({one.question: one.reply.text for one in entries})
    return None if found is None else Reply("ok", found)


def reading_of(picture: Picture) -> Reply | None:
    """What was read out of a picture: the reply about it, or the one answer that was made of the whole reply."""
    whole = picture.groups.get("", {}).get("")
    if whole is not None:
        return whole.reply
    answers = list(picture.answers.values())
    return answers[0].reply if len(answers) == 1 else None


def build(arguments: Arguments) -> RecordedVerifier:
    """The recorded answers; ValueError names the file and row that cannot be read."""
    files, whole, recording = files_of(arguments), hashlib.sha256(), Recording()
    layouts = set()
    models: set[str] = set()
    for path in files:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
        rows = [(place, row, str(first_of(row, MODEL) or "")) for place, row in rows_of(path)]
        layout = layout_of(path, rows[0][1] if rows else {}, arguments.layout)
        wanted = [(place, row) for place, row, model in rows if not arguments.model or model in ("", arguments.model)]
        models |= {model for _, _, model in rows}
        layouts.add(layout)
        for one in entries_of(layout, wanted):
            recording.add(one)
    check_found(arguments, recording, sorted(models - {""}))
    revision = whole.hexdigest()[:12]
    record = {"name": "recorded", "requested": str(arguments.path), "revision": revision, "mode": "recorded",
              "layouts": sorted(layouts), "pictures": len(recording.pictures), "model": arguments.model,
              "contains": arguments.contains}  # fmt: skip
    part = ":".join(filter(None, (arguments.model, arguments.contains)))
    return RecordedVerifier(recording, f"recorded:{part}@{revision}", record, arguments.seed)


def entries_of(layout: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Entry]:
    """The entries of a file; of a run folder's rows about the same question the last one counts."""
    found = [entry for place, row in rows for entry in read_row(layout, place, row)]
    if layout != "run":
        return found
    return list({(one.sample, one.index, one.group, one.question): one for one in found}.values())


def check_found(arguments: Arguments, recording: Recording, models: Sequence[str]) -> None:
    """ValueError where nothing was recorded, or about several models with none of them named."""
    if len(models) > 1 and not arguments.model:
        raise ValueError(f"{arguments.path} holds answers about several models: say model= one of {', '.join(models)}")
    if not recording.names:
        raise ValueError(f"{arguments.path} holds no answers{f' about {arguments.model}' if arguments.model else ''}")


def read_row(layout: str, place: str, row: Mapping[str, Any]) -> list[Entry]:
    """The entries of a row; ValueError where it lacks what its layout has."""
    try:
        return list(LAYOUTS[layout](place, row))
    except KeyError as error:
        raise ValueError(f"{place} has no {error.args[0]!r}, which the layout {layout!r} needs") from None


def files_of(arguments: Arguments) -> list[Path]:
    """The files that are read; ValueError where there are none."""
    path = arguments.path
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no file or folder {path}")
    if (path / VERDICTS).is_file():
        return [path / VERDICTS]
    inside = (one for one in sorted(path.rglob("*")) if one.suffix in READ and one.is_file())
    files = [one for one in inside if arguments.contains in one.relative_to(path).as_posix()]
    if not files:
        held = f" whose path holds {arguments.contains!r}" if arguments.contains else ""
        raise ValueError(f"{path} holds neither {VERDICTS} nor any {', '.join(READ)} file{held}")
    return files
