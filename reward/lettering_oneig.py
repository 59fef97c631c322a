"""OneIG-Bench's lettering: which letters count, and the edits, exact texts and words its score is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reward.distance import edits, matched

NAME = "oneig"
ACCENTS = "àâäéèêëîïôöùûüç"
KEPT = re.compile(rf"[^\u4e00-\u9fa5a-zA-Z0-9{ACCENTS}{ACCENTS.upper()}\s]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LONG, TOKENS, MANY = 60, 128, 256
"""Words from which on a wanted text is long, and tokens of a reading: of a short one, of a long one."""
MOST = 10_000
"""Edits and words of one picture that are told at most."""
RANGES = {"edits": [0, MOST], "words wanted": [0, MOST]}


@dataclass(frozen=True, slots=True)
class OneIG:
    """How texts are made comparable, and MAX: 100 edits for English, 50 for Chinese."""

    most: float = 100.0

    def text(self, raw: str) -> str:
        """Letters, digits and single spaces; no spaces where Chinese is written."""
        kept = KEPT.sub("", raw)
        return ("" if CHINESE.search(kept) else " ").join(kept.split())

    def words(self, raw: str) -> list[str]:
        """The words of a text; of a Chinese one, its characters."""
        text = self.text(raw)
        return list(text) if CHINESE.search(text) else text.split()

    def terms(self, found: str, wanted: str) -> dict[str, float]:
        """Edits, whether there are none, the share of wanted words that are there, and how many are wanted."""
        right, words = self.text(wanted), self.words(wanted)
        number = edits(self.text(found), right)
        there = list(self.text(found)) if CHINESE.search(right) else self.text(found).split()
        return {
            "edits": float(min(number, MOST)),
            "exact": float(number == 0),
            "words": matched(there, words) / len(words),
            "words wanted": float(min(len(words), MOST)),
        }
