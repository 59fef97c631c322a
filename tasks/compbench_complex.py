"""t2i-compbench-complex: T2I-CompBench++ complex, prompts of several things, by three scores in one.

Every prompt is asked about its noun phrases (the product of their shares of yes); where it has a relation a detector
looks for the two nouns beside it, and where it has an action CLIP compares the picture with the prompt without its
adjectives. An image is the mean of the two or three that apply. Phrases, nouns and words are those that spaCy 3.8 with
en_core_web_sm 3.8.0 finds (tasks/compbench_complex.json). The run's verifier answers about phrases; the other two have
models of their own, named in the task's name where they stand in for UniDet. No figure of it is published with a source
that can be checked, so there is no golden row. `official` gives no point for the place of what is `on top of` another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.card import Card
from tasks.compbench import CITATION, FOLDER, IMAGES, ORIGIN, PROMPTS, read_prompts
from tasks.data import DataFile, check_count, hashes, local_file, read_file, version_of
from tasks.sample import YES, Question, Request, Sample
from tasks.task import RewardSpec, Task

CARD = Card(
    title="T2I-CompBench++ complex",
    kind="weighted",
    reading="share; boxes; cosine",
    combining="mean of 2 or 3 parts",
    headline="mean",
    judge="BLIP-VQA, UniDet RS200, CLIP ViT-B/32",
    prompts=300,
    images=IMAGES,
    calls=12620,
    origin=ORIGIN,
)
FOUND = Path(__file__).parent / "compbench_complex.json"
KINDS = {"spatial": 58, "action": 212, "spatialaction": 30}
"""Prompts with a relation, with an action, and with both."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """Which models look, and where the data are."""

    detector: str = ""
    """Checkpoint of the detector; the default one of the verifier `detector` when not given."""
    clip: str = ""
    """Checkpoint of the CLIP; ViT-B/32 when not given."""
    one_verifier: bool = False
    """Whether the run's verifier answers all three, as one that serves them does."""
    official: bool = False
    """`on top of` is no relation, as in the released code."""
    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do; prompts and what is found in them must agree all the same."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    file, prompts = read_prompts("complex", arguments.data, arguments.any_version)
    if not file.known:
        raise ValueError(f"{file.name} is not the file whose phrases and nouns are known")
    files, kinds = [file], dict[str, str]()
    for kind, count in KINDS.items():
        some = read_file(ORIGIN, f"{FOLDER}/complex_val_{kind}.txt", arguments.data)
        lines = [key_of(line) for line in some.lines()]
        check_count(some, "prompts", len(lines), count, arguments.any_version)
        files, kinds = [*files, some], {**kinds, **dict.fromkeys(lines, kind)}
    found: list[Mapping[str, Any]] = local_file(FOUND, f"phrases/{FOUND.name}").json()
    check_count(file, "prompts", len(found), PROMPTS, any_version=False)
    pairs = zip(prompts, found, strict=True)
    return Task(
        name="t2i-compbench-complex",
        version=version_of("1", files),
        split="val",
        samples=tuple(sample_of(place, *pair, kind_of(file, kinds, pair[0])) for place, pair in enumerate(pairs)),
        reward=RewardSpec("weighted", "sum", "mean", "http", {"parts": parts_of(arguments)}),
        images=CARD.images,
        licence=ORIGIN.licence,
        citation=CITATION,
        files=hashes(files),
    )


def key_of(line: str) -> str:
    """What the lists of kinds and the prompts have in common: all before the first full stop."""
    return line.strip().partition(".")[0].lower()


def kind_of(file: DataFile, kinds: Mapping[str, str], prompt: str) -> str:
    """The kind of a prompt; ValueError for one that no list has."""
    kind = kinds.get(key_of(prompt))
    if kind is None:
        raise ValueError(f"the prompt {prompt[:60]!r} of {file.name} is in none of complex_val_{', '.join(KINDS)}.txt")
    return kind


def parts_of(arguments: Arguments) -> dict[str, Any]:
    """The three parts, each with its reward and, unless one verifier answers all, its verifier."""
    rules = {"official": arguments.official}
    parts: dict[str, dict[str, Any]] = {
        "attribute": {"reading": "share", "combine": "product", "options": {"abstain_below": 0.0, "min_answered": 1.0}},
        "spatial": {"kind": "detector", "reading": "compbench", "combine": "pooled",
                    "options": {**rules, "rules": rules}},
        "action": {"reading": "cosine", "combine": "pooled", "options": {"min_answered": 1.0}},
    }  # fmt: skip
    named = {"spatial": ("detector", arguments.detector), "action": ("clip", arguments.clip)}
    for name, (verifier, pretrained) in named.items() if not arguments.one_verifier else ():
        given = {"pretrained": pretrained} if pretrained else {}
        parts[name] |= {"verifier": verifier, "verifier_args": given}
    return {name: {"weight": 1.0, "groups": [name], **part} for name, part in parts.items()}


def sample_of(place: int, prompt: str, found: Mapping[str, Any], kind: str) -> Sample:
    """A line of the file; ids count from 0."""
    questions = [
        Question(f"p{number}", f"{phrase}?", YES, "attribute")
        for number, phrase in enumerate(found["phrases"], start=1)
    ]
    fact: dict[str, Any] = {}
    if "spatial" in kind:
        fact = {"kind": "spatial", "objects": found["objects"], "relation": found["relation"]}
        asked = f" {found['relation']} the ".join(found["objects"]) or "no two objects in a relation"
        questions.append(Question("relation", f"the {asked}", YES, "spatial", found["relation"]))
    if "action" in kind:
        questions.append(Question("likeness", found["plain"], YES, "action"))
    return Sample(f"{place:06d}", Request(prompt), tuple(questions), (kind,), fact)
