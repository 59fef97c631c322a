"""Which tokens of a vocabulary spell an answer: `yes`, ` Yes`, `YES.` are one answer in several tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reward.reading import normalise

TOP = 20
"""Likeliest tokens that are told beside the wanted ones, as many as a server gives."""


class Spellings:
    """Every token by the answer it spells, from the text of each."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.numbers: dict[str, list[int]] = {}
        for number, text in enumerate(self.texts):
            self.numbers.setdefault(normalise(text), []).append(number)

    def of(self, answers: Iterable[str]) -> list[int]:
        """The tokens that spell one of the answers."""
        return [number for one in {normalise(answer) for answer in answers} for number in self.numbers.get(one, ())]

    def missing(self, answers: Iterable[str]) -> list[str]:
        """Answers that no single token spells."""
        return [answer for answer in answers if normalise(answer) not in self.numbers]

    def told(self, probabilities: Any, answers: Iterable[str]) -> dict[str, float]:
        """Probability by token text (vocabulary,), of the likeliest tokens and of all that spell an answer."""
        chosen = {*probabilities.topk(min(TOP, len(self.texts))).indices.tolist(), *self.of(answers)}
        found: dict[str, float] = {}
        for number in sorted(one for one in chosen if one < len(self.texts)):
            text = self.texts[number]
            found[text] = found.get(text, 0.0) + float(probabilities[number])
        return found
