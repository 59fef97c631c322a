"""One sample in the terminal: its prompt, and of each image the score, the questions, the thought and the file."""

from __future__ import annotations

from collections.abc import Sequence

from harness.stored_picture import place_of
from harness.stored_run import StoredRun
from leaderboards.exhibit import HALF, Record, sides_of
from tasks.registry import unknown


def print_sample(runs: Sequence[StoredRun], sample: str) -> None:
    """Prints what each run has made of a sample; ValueError names those that come near when there is none."""
    for stored in runs:
        ids = stored.run["task"]["samples"]
        if sample not in ids:
            raise ValueError(unknown(f"sample of {stored.path}", sample, ids[:20]))
        rows = stored.rows()
        for key, side in sides_of(stored, stored.questions()):
            if key[0] == sample:
                print("\n".join(lines_of(stored, key[1], rows[key]["prompt"] if key in rows else "", side)))


def lines_of(stored: StoredRun, index: int, prompt: str, side: Record) -> list[str]:
    """One image in lines of text."""
    score = (
        f"no score: {side['status']} {side['error']}".rstrip()
        if side["score"] is None
        else f"score {side['score']:.3f}"
    )
    lines = [f"{stored.path}  image {index}  {score}", f"  prompt   {plain(prompt)}"]
    if side["image"]:
        lines.append(f"  picture  {stored.path / place_of(side['image'])}")
    if side["thought"]:
        lines.append(f"  thought  {plain(side['thought'])}")
    lines += [f"  draft    {stored.path / place_of(name)}  {plain(words)}" for name, words in side["drafts"]]
    return lines + [question_line(one) for one in side["questions"]]


def question_line(asked: Record) -> str:
    """`  met     .97  Is there a cross?`"""
    if asked["value"] is None:
        return f"  {asked['status']:16}  {plain(asked['text'])}  {plain(asked['error'])}".rstrip()
    figure = asked["value"] if asked["p"] is None else asked["p"]
    return f"  {'met' if asked['value'] >= HALF else 'failed':8} {figure:7.2f}  {plain(asked['text'])}"


def plain(text: str) -> str:
    """A text in one line without what a terminal would obey."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable())
