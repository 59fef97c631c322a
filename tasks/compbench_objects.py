"""t2i-compbench-objects: T2I-CompBench++, where objects stand, before or behind which, and how many there are.

Three categories, each a task of its own: spatial, 3d_spatial (boxes with a depth) and numeracy, judged by a detector
and fixed rules (reward/rules_compbench.py) in the frame of the official detector. No figure of it is published with a
source that can be checked, so there is no golden row. `official` takes the last box before both objects are found in
3d_spatial, and counts an overlap of exactly .5 as none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.card import Card
from tasks.compbench import CITATION, IMAGES, ORIGIN, read_nouns, read_prompts
from tasks.data import hashes, version_of
from tasks.sample import Question, Request, Sample
from tasks.task import RewardSpec, Task

CARD = Card(
    title="T2I-CompBench++ spatial, 3d_spatial, numeracy",
    kind="detector",
    reading="boxes, depth",
    combining="soft position; halves for presence and number",
    headline="mean",
    judge="UniDet (RS200 or R50), DPT-hybrid for depth",
    prompts=300,
    images=IMAGES,
    calls=3000,
    origin=ORIGIN,
)
RELATIONS = {
    "spatial": ("on the top of", "on the bottom of", "on the left of", "on the right of", "on side of", "next to",
                "near"),
    "3d_spatial": ("in front of", "behind", "hidden by"),
}  # fmt: skip
NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which category is asked for, and by which rule."""

    category: Literal["spatial", "3d_spatial", "numeracy"] = "spatial"
    """spatial, 3d_spatial or numeracy."""
    official: bool = False
    """The released code's two faults in 3d_spatial."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    category = arguments.category
    file, prompts = read_prompts(category, arguments.data, arguments.any_version)
    nouns_file, nouns = read_nouns(arguments.data)
    counting = category == "numeracy"
    facts = [counted(prompt, nouns) if counting else related(prompt, category) for prompt in prompts]
    files = [file, nouns_file] if counting else [file]
    return Task(
        name=f"t2i-compbench-{category}",
        version=version_of("1", files),
        split="val",
        samples=tuple(_sample(place, prompt, fact) for place, (prompt, fact) in enumerate(zip(prompts, facts,
                                                                                           strict=True))),
        reward=RewardSpec(
            kind="detector",
            reading="compbench",
            combine="pooled",
            verifier="detector",
            options={"official": arguments.official, "rules": {"official": arguments.official}},
        ),
        images=CARD.images,
        published_by="unidet",
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes(files),
    )  # fmt: skip


def related(prompt: str, category: str) -> dict[str, Any]:
    """The two objects of a prompt and their relation; ValueError for a prompt of another form."""
    relations = "|".join(RELATIONS[category])
    match = re.fullmatch(rf"an? (.+?) ({relations}) an? (.+?)\.?", prompt)
    if match is None:
        raise ValueError(f"the prompt {prompt!r} of T2I-CompBench {category} names no two objects in a relation")
    return {"kind": category, "objects": [match[1], match[3]], "relation": match[2]}


def counted(prompt: str, nouns: Mapping[str, str]) -> dict[str, Any]:
    """The objects of a prompt with their numbers: a number word before a noun; ValueError where there is none."""
    words = WORD.findall(prompt.lower())
    found = {}
    for number, *after in zip(words, words[1:], [*words[2:], ""], strict=False):
        name = next((nouns[one] for one in (after[0], " ".join(after)) if one in nouns), None)
        if number in NUMBERS and name is not None:
            found[name] = NUMBERS[number]
    if not found:
        raise ValueError(f"the prompt {prompt!r} of T2I-CompBench numeracy counts no known object")
    return {"kind": "numeracy", "objects": list(found), "counts": list(found.values())}


def _sample(place: int, prompt: str, fact: Mapping[str, Any]) -> Sample:
    """A line of the file; ids count from 0."""
    if fact["kind"] == "numeracy":
        pairs = zip(fact["objects"], fact["counts"], strict=True)
        texts = [(f"Is there a {name}?", f"Is the number of {name} exactly {count}?") for name, count in pairs]
        questions = [
            Question(f"{kind} {number}", text, tag=kind)
            for number, both in enumerate(texts)
            for kind, text in zip(("presence", "number"), both, strict=True)
        ]
    else:
        one, other = fact["objects"]
        questions = [Question("relation", f"Is the {one} {fact['relation']} the {other}?", tag=fact["relation"])]
    tags = () if fact["kind"] == "numeracy" else (fact["relation"],)
    return Sample(f"{place:06d}", Request(prompt), tuple(questions), tags, fact)
