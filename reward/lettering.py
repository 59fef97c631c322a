"""lettering: the reward made of what a picture spells, read by OCR and held against the wanted texts.

The `text` of every question is a wanted text. The verifier is asked once a picture to read out all it finds: `ocr`, or
any model that reads. With one question the whole of it is compared, so lettering that nobody asked for costs; with
several each is looked for in the run of words that comes nearest to it (the option `scope` decides otherwise). The
reading `oneig` is OneIG-Bench's, with letters of its own.
"""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from reward.combine import COMBINES, combine_verdicts
from reward.distance import likeness, matched, nearest_run, recall, word_distance
from reward.lettering_oneig import LONG, MANY, NAME, RANGES, TOKENS, OneIG
from reward.lettering_prompt import NOTHING, PROMPT
from reward.options import Options, read_options
from reward.questions import digest, first_failed, skipped
from reward.reward import Reward, check_range
from reward.text_score import formula
from reward.verdict import Score, Verdict
from reward.verifier import Query, Reply, Verifier
from tasks.registry import unknown
from tasks.sample import Generation, Question, Response
from tasks.task import RewardSpec

if TYPE_CHECKING:
    from PIL.Image import Image

SPEC = RewardSpec("lettering", "edit", "mean")
CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
SCOPES = ("auto", "whole", "anywhere")
"""What is compared: all that is found, or the run of words that comes nearest; auto is whole for one wanted text."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """How texts are made comparable before they are compared."""

    case: bool = False
    """Whether capital and small letters differ."""
    punctuation: bool = True
    """Whether anything but letters, digits and white space counts."""
    spaces: bool = True
    """Whether white space counts; never where Chinese is written."""

    def text(self, raw: str) -> str:
        """Compatible forms of letters made one (NFKC), white space squeezed, and what does not count left out."""
        text = unicodedata.normalize("NFKC", raw)
        text = text if self.case else text.casefold()
        if not self.punctuation:
            text = "".join(letter for letter in text if letter.isalnum() or letter.isspace())
        return (" " if self.spaces and not CHINESE.search(text) else "").join(text.split())

    def words(self, raw: str) -> list[str]:
        """The words of a text; of a Chinese one, its characters."""
        text = replace(self, spaces=True).text(raw)
        return list(text) if CHINESE.search(text) else text.split()


class Speller(Protocol):
    """Makes texts comparable."""

    def text(self, raw: str) -> str:
        """What counts of a text."""
        ...

    def words(self, raw: str) -> list[str]:
        """Its words."""
        ...


Reading = Callable[[str, str, Any], float]


def by_edits(found: str, wanted: str, spelled: Speller) -> float:
    """1 - min(edits, length) / length (method.md 3.5)."""
    return likeness(spelled.text(found), spelled.text(wanted))


def exactly(found: str, wanted: str, spelled: Speller) -> float:
    """1 if nothing differs, else 0."""
    return float(spelled.text(found) == spelled.text(wanted))


def by_words(found: str, wanted: str, spelled: Speller) -> float:
    """Share of the wanted words that are found, each as often as it is there."""
    words = spelled.words(wanted)
    return matched(spelled.words(found), words) / len(words)


def by_formula(found: str, wanted: str, spelled: OneIG) -> float:
    """OneIG-Bench's formula over this picture alone."""
    terms = spelled.terms(found, wanted)
    return formula(terms["edits"], terms["exact"], terms["words"], spelled.most)


def by_recall(found: str, wanted: str, spelled: Speller) -> float:
    """Share of the wanted words that have a word of their own at most .3 of its letters away (TIIF-Bench)."""
    return recall(spelled.words(found), spelled.words(wanted))


READINGS: Mapping[str, Reading] = {
    "edit": by_edits,
    "exact": exactly,
    "words": by_words,
    "recall": by_recall,
    NAME: by_formula,
}
"""How what is found becomes the value of a wanted text, by name."""


class LetteringReward:
    """Has every picture read once and compares."""

    def __init__(
        self, reading: str, combine: str, spelled: Spelled | OneIG, scope: str, options: Options, verifier: Verifier
    ) -> None:
        self.reading, self.combine, self.spelled, self.scope = reading, combine, spelled, scope
        self.options, self.verifier = options, verifier
        self.range = (0.0, 1.0)
        told: dict[str, Any] = {
            "kind": "lettering",
            "reading": reading,
            "combine": combine,
            "options": {**options.record(), **asdict(spelled), "scope": scope},
            "prompts_sha256": hashlib.sha256(PROMPT.encode()).hexdigest(),
        }
        self.id = digest({**told, "verifier": verifier.id})
        ranges = {"ranges": RANGES} if isinstance(spelled, OneIG) else {}
        self.record: Mapping[str, Any] = {"id": self.id, **told, **ranges}

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; a picture without text is a scored 0, one that was not read has none."""
        queries = [self._query(one, one.response) for one in generations if one.response is not None]
        replies = iter(self.verifier.ask(queries) if queries else [])
        return [self._judge(one, next(replies) if one.response is not None else None) for one in generations]

    def _query(self, generation: Generation, response: Response) -> Query:
        sample, image = generation.sample, as_jpeg(response.image) if self.options.official else response.image
        tokens = 0
        if isinstance(self.spelled, OneIG):
            tokens = MANY if any(len(one.text.split()) > LONG for one in sample.questions) else TOKENS
        return Query((image,), PROMPT, (), tokens, about=(sample.id, generation.seed, ""))

    def _judge(self, generation: Generation, reply: Reply | None) -> Score:
        sample, failure = generation.sample, generation.error
        if not sample.questions:
            raise ValueError(f"sample {sample.id!r} has no text that is wanted")
        if failure is not None or reply is None:
            status, message = (failure.status, failure.message) if failure else ("skipped", "")
            return Score(None, tuple(skipped(one, message) for one in sample.questions), status=status, error=message)
        reply = replace(reply, key=reply.key or digest({"lettering": [sample.id, generation.seed]}))
        said = reply.text.strip()
        nothing = said == f"{NOTHING}." or (said == NOTHING and not self.options.official)
        found = "" if nothing else reply.text
        verdicts = tuple(self._verdict(one, found, reply, len(sample.questions)) for one in sample.questions)
        value, parts = combine_verdicts(self.combine, sample.questions, verdicts, self.options)
        if value is None:
            cause = first_failed(verdicts)
            return Score(None, verdicts, parts, cause.status, cause.error)
        parts = {**parts, **self._figures(found, [one.text for one in sample.questions])}
        return Score(check_range(self, generation, value), verdicts, parts)

    def _verdict(self, question: Question, found: str, reply: Reply, number: int) -> Verdict:
        wanted = self.spelled.text(question.text)
        if not wanted:
            raise ValueError(f"question {question.id!r} wants no text at all: {question.text!r}")
        if reply.status != "ok":
            return Verdict(question.id, None, "", reply.status, reply.error, reply)
        anywhere = self.scope == "anywhere" or (self.scope == "auto" and number > 1)
        if anywhere and self.reading not in ("words", "recall"):
            between = " " if " " in wanted or not CHINESE.search(wanted) else ""
            found = nearest_run(
                self.spelled.words(found),
                wanted,
                between if isinstance(self.spelled, Spelled) and self.spelled.spaces else "",
            )
        value = READINGS[self.reading](found, question.text, self.spelled)
        return Verdict(question.id, value, found, reply=replace(reply, text=""))

    def _figures(self, found: str, wanted: Sequence[str]) -> dict[str, float | None]:
        """Further figures of all wanted texts together, as benchmarks of lettering tell them."""
        whole = " ".join(wanted)
        if isinstance(self.spelled, OneIG):
            return {**self.spelled.terms(found, whole)}
        words, right = self.spelled.words(found), self.spelled.words(whole)
        return {
            "exact": exactly(found, whole, self.spelled),
            "words": by_words(found, whole, self.spelled),
            "word distance": word_distance(words, right),
            "word recall": recall(words, right),
        }


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward a task names; ValueError names what does not exist."""
    given = {"min_answered": 1.0, **spec.options}
    scope = given.pop("scope", "whole" if spec.reading == NAME else "auto")
    most = given.pop("most", 100.0) if spec.reading == NAME else 0.0
    switches = {name: given.pop(name) for name in ("case", "punctuation", "spaces") if name in given}
    for kind, name, choices in (("reading of lettering", spec.reading, READINGS), ("combine", spec.combine, COMBINES),
                                ("scope", scope, SCOPES)):  # fmt: skip
        if name not in choices:
            raise ValueError(unknown(kind, str(name), choices))
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"the option {name!r} of lettering is true or false, not {value!r}")
    if spec.reading == NAME and switches:
        raise ValueError(f"the reading 'oneig' has its own letters: {', '.join(switches)} cannot be said with it")
    spelled = OneIG(most) if spec.reading == NAME else Spelled(**switches)
    return LetteringReward(spec.reading, spec.combine, spelled, scope, read_options(given), verifier)


def as_jpeg(image: Image) -> Image:
    """The picture as it comes back out of a JPEG file."""
    from PIL import Image as Pictures

    content = io.BytesIO()
    image.convert("RGB").save(content, "JPEG")
    return Pictures.open(content).convert("RGB")
