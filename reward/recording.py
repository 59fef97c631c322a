"""What was recorded about pictures: answers to questions, a judge's replies and marks, detections; found again exactly.

A recorded name that is only the end of a sample's id is the sample's where no other sample ends in it too; a reply that
names no group of marks is of the one group there is. Where that leaves a doubt the run stops: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reward.verifier import Reply

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
Place = tuple[str, int]
"""Sample and number of the image."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was recorded about one picture; `where` tells it in messages.

    With a question it is the answer to it, or the mark under that name; without one the reply to a whole group of
    marks, or to a detector's query.
    """

    sample: str
    index: int
    reply: Reply
    question: str = ""
    group: str = ""
    where: str = ""


@dataclass(slots=True)
class Picture:
    """All that was recorded about one picture."""

    answers: dict[str, Entry] = field(default_factory=dict)
    """By question"""
    groups: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """By group and question; under the empty question the group's whole reply"""


@dataclass(slots=True)
class Recording:
    """Pictures by sample and index, and who has asked for what."""

    pictures: dict[Place, Picture] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)
    """The sample that a shorter name was found to mean"""
    callers: dict[Place, str] = field(default_factory=dict)
    """The group that the reply without a group was given to"""

    def add(self, entry: Entry) -> None:
        """Puts an entry in; ValueError for a second one about the same that says something else."""
        self.names.add(entry.sample)
        picture = self.pictures.setdefault((entry.sample, entry.index), Picture())
        known = picture.groups.setdefault(entry.group, {})
        before = known.setdefault(entry.question, entry)
        if before.reply != entry.reply:
            raise ValueError(
                f"two different answers about {entry.question or entry.group or 'the picture'} of sample "
                f"{entry.sample} image {entry.index}: {before.where} and {entry.where}; "
                "name one with model= or contains="
            )
        if entry.question:
            picture.answers[entry.question] = entry

    def name_of(self, sample: str) -> str | None:
        """The name under which a sample was recorded; ValueError where it could be another's as well."""
        if sample in self.names:
            return sample
        short = sample.rpartition("/")[2]
        if short not in self.names:
            return None
        owner = self.owners.setdefault(short, sample)
        if owner != sample:
            raise ValueError(f"the recorded name {short!r} could mean sample {owner!r} or {sample!r}: record whole ids")
        return short

    def picture(self, sample: str, index: int) -> Picture | None:
        """What was recorded about an image of a sample."""
        name = self.name_of(sample)
        return None if name is None else self.pictures.get((name, index))

    def reply_of(self, place: Place, picture: Picture, group: str) -> Reply | None:
        """The reply to a group of marks, or one that holds its marks; None where there is neither."""
        if group in picture.groups and "" in picture.groups[group]:
            return picture.groups[group][""].reply
        entries = {**picture.groups.get("", {}), **picture.groups.get(group, {})}
        marks = [entry for name, entry in entries.items() if name]
        if marks:
            return joined(marks)
        whole = picture.groups.get("", {}).get("")
        if whole is None:
            return None
        caller = self.callers.setdefault(place, group)
        if caller != group:
            raise ValueError(
                f"{whole.where} holds a reply that names no group, and the task asks in several ({caller}, {group})"
            )
        return whole.reply


def joined(entries: Sequence[Entry]) -> Reply:
    """One reply that holds all marks; where none was read, the failure of the first."""
    good = {entry.question: entry.reply.text for entry in entries if entry.reply.status == "ok"}
    first = entries[0].reply
    return replace(first, text="", probabilities={}, marks=good) if good else first


def plain_name(name: str) -> str:
    """A sample's name from a picture's file name."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in ENDINGS else name


def spelled(value: object) -> str:
    """A cell as text: whole numbers without a point, so that 2.0 is the mark 2."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).strip()
    return f"{value:.12g}"
