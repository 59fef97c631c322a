"""readback: how likely the prompt is, given the picture (SpectraReward, arXiv 2607.11886).

The verifier, a model that sees and gives log-likelihoods, is asked for the mean log-likelihood a token of the prompt as
the answer to a fixed request, its end not counted: one pass a picture. That value is at most 0, so a zero for a failure
would be the best score; a failure has none.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reward.questions import digest, skipped
from reward.reward import Reward, check_range
from reward.verdict import Score, Verdict
from reward.verifier import Query, Reply, Verifier
from tasks.registry import unknown
from tasks.sample import Generation
from tasks.task import RewardSpec

SPEC = RewardSpec("readback", "log", "pooled")
PROMPT = (Path(__file__).parent / "prompts" / "readback.txt").read_text(encoding="utf-8").strip()
LEAST = -100.0
"""Nats a token below which nothing is believed: no model gives a token so little."""
READINGS: Mapping[str, tuple[Callable[[float], float], tuple[float, float]]] = {
    "log": (float, (LEAST, 0.0)),
    "probability": (math.exp, (0.0, 1.0)),
}
"""The mean log-likelihood itself, or the geometric mean of the tokens' probabilities, each with its range."""


class ReadbackReward:
    """Asks for the likelihood of each prompt."""

    def __init__(self, reading: str, prompt: str, verifier: Verifier) -> None:
        self.reading, self.prompt, self.verifier = reading, prompt, verifier
        self.value, self.range = READINGS[reading]
        told: dict[str, Any] = {
            "kind": "readback",
            "reading": reading,
            "combine": SPEC.combine,
            "options": {"request": prompt},
            "prompts_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
        }
        self.id = digest({**told, "verifier": verifier.id})
        self.record: Mapping[str, Any] = {"id": self.id, **told}

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        """One score a generation, in order; None as its value means unscored."""
        queries = [self._query(one) for one in generations if one.response is not None]
        replies = iter(self.verifier.ask(queries) if queries else [])
        return [self._judge(one, next(replies) if one.response is not None else None) for one in generations]

    def _query(self, generation: Generation) -> Query:
        (question,) = generation.sample.questions
        assert generation.response is not None  # noqa: S101 - only pictures are asked about
        about = (generation.sample.id, generation.seed, question.id)
        return Query((generation.response.image,), self.prompt, (), continuation=question.text, about=about)

    def _judge(self, generation: Generation, reply: Reply | None) -> Score:
        (question,) = generation.sample.questions
        failure = generation.error
        if failure is not None or reply is None:
            status, message = (failure.status, failure.message) if failure else ("skipped", "")
            return Score(None, (skipped(question, message),), status=status, error=message)
        found, status, error = reply.log_likelihood, reply.status, reply.error
        if status == "ok" and (found is None or not LEAST <= found <= 0.0):
            status, error = "parse_error", f"no log-likelihood a token from {LEAST:g} to 0: {found}"
        if status != "ok" or found is None:
            return Score(None, (Verdict(question.id, None, reply.text, status, error, reply),), {}, status, error)
        value = check_range(self, generation, self.value(found))
        return Score(value, (Verdict(question.id, value, f"{found:.4f}", reply=reply),))


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward; ValueError for a verifier that gives no log-likelihoods."""
    if spec.reading not in READINGS:
        raise ValueError(unknown("reading of readback", spec.reading, READINGS))
    for name in spec.options:
        if name != "request":
            raise ValueError(unknown("option of readback", name, ["request"]))
    if not verifier.record.get("likelihood"):
        raise ValueError(
            f"readback needs the log-likelihood of a text, which the verifier {verifier.record.get('name')!r} does not "
            "give; those that do: local, tiny, and either of them behind http-batch"
        )
    return ReadbackReward(spec.reading, str(spec.options.get("request", PROMPT)), verifier)
