"""A third party's verifier that answers every benchmark's questions in the form that is asked for, and loses a share.

It reads how an answer must look from the wording alone, as a judge does; what it answers is decided by a hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reward.verifier import Query, Reply

MARKS = ("Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence", "Physical & Detail Integrity",
         "Physical & Detail Fidelity", "Visual Seamlessness", "Style Fidelity", "Content Preservation",
         "Rendering Quality", "Action Fidelity", "Identity Preservation", "Visual & Anatomical Coherence",
         "Object Identity", "Mask Precision", "Visual Quality", "Instruction Compliance",
         "Physical Consistency & Fine Detail", "Physical Consistency")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arguments:
    """How often the verifier fails, and how good it finds everything."""

    lost: float = 0.0
    best: bool = False
    """Whether every answer is the best there is."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """Answers by a hash of the wording, so that every run sees the same."""

    lost: float
    best: bool
    id: str = "oracle"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "oracle", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        return [self.answer(query) for query in queries]

    def answer(self, query: Query) -> Reply:
        digest = hashlib.sha256(query.text.encode() + query.images[-1].tobytes()).digest()
        if digest[0] / 256 < self.lost:
            return Reply("timeout", error="no answer in time")
        good = self.best or digest[1] % 2 == 0
        if query.answers:
            return self.word(query, good)
        return Reply("ok", self.marks(query.text, good))

    def word(self, query: Query, good: bool) -> Reply:
        """An answer in one word, with its probability."""
        said = query.answers[0] if good else query.answers[-1]
        spelled = "Yes" if said == "yes" else said
        return Reply("ok", spelled, {spelled: 0.9})

    def marks(self, text: str, good: bool) -> str:
        """Marks in the form that the wording asks for."""
        count = re.search(r"answer these (\d+) questions|Answer in (\d+) lines", text)
        if count and count[1]:
            return json.dumps({"reason": [], "score": [1 if good else 0.5] * int(count[1])})
        if count:
            return "\n".join(f"{'Yes' if good else 'No'}, by what is seen" for _ in range(int(count[2])))
        points = re.search(r"<analysis>|each of the \d+ questions", text)
        if points:
            return self.points(text, points[0], good)
        if "output score = [" in text:
            return json.dumps({"score": [9, 8] if good else [4, 2], "reasoning": "so"})
        names = re.findall(r'"(\w+)": n\b', text)
        if names:
            return json.dumps({"reason": "so", **dict.fromkeys(names, 5 if good else 3)})
        if "Final Score: n" in text:
            best, low = (1, 0) if "Give 1 if" in text else (5, 2)
            return f"Because.\nFinal Score: {best if good else low}"
        if "Consistency: n" in text:
            mark = 2 if good else 1
            return f"Consistency: {mark}\n**Realism:** {mark}.\nAesthetic Quality: {mark}"
        if "Score: n" in text:
            best = 5 if "from 1 to 5" in text else 1
            return f"Score: {best if good else best - 1}"
        named = [name for name in MARKS if f"{name}: A number from 1 to 5" in text]
        return "\n".join(f"{name}: {5 if good else 3}" for name in named) or "A plain picture."

    def points(self, text: str, form: str, good: bool) -> str:
        """A mark for each of several points."""
        count = int(re.findall(r"exactly (\d+) entries|each of the (\d+) questions", text)[-1][form[0] != "<"])
        if form[0] == "<":
            return f"<analysis>{['so'] * count}</analysis><score>{[int(good)] * count}</score>"
        return json.dumps({str(place): 1 if good else 0.5 for place in range(1, count + 1)})


def build(arguments: Arguments) -> Oracle:
    return Oracle(arguments.lost, arguments.best)
