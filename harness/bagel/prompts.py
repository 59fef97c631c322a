"""The fixed texts of a unified model: each stands once, in a `prompts.json`, for training and evaluation alike."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from harness.bagel.config import read_json
from tasks.registry import unknown


@dataclass(frozen=True, slots=True)
class Prompts:
    """The texts by their use (method.md 2.3)."""

    think: str
    """System prompt: asks for a plan between think tags, then for the image."""
    open: str
    """Asks whether an image satisfies `{prompt}`, allows that it does, and otherwise for what is wrong."""
    assert_failure: str
    """Says that the image fails `{prompt}` and asks for what is wrong."""
    satisfied: str
    """The words of a reflection that say that nothing is wrong."""
    question: str
    """How `{question}` about an image is asked."""
    describe: str
    """Asks for a description of an image."""

    @property
    def digest(self) -> str:
        """SHA-256 of all texts, for the run record."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> Prompts:
        """From a file; ValueError names a text that is missing, unknown, or lacks the mark it needs."""
        found = read_json(path)
        names = [one.name for one in fields(cls)]
        for name in found:
            if name not in names:
                raise ValueError(unknown(f"text of {path}", name, names))
        for name in names:
            if not isinstance(found.get(name), str):
                raise ValueError(f"{path} has no text named {name!r}")
        for name, mark in (("open", "{prompt}"), ("assert_failure", "{prompt}"), ("question", "{question}")):
            if mark not in found[name]:
                raise ValueError(f"the text {name!r} of {path} lacks {mark}")
        return cls(**found)
