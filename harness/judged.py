"""Images and the drafts before them, judged by one reward in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from harness.run_folder import RunStore
from reward.reward import Reward
from reward.verdict import Score
from tasks.sample import Generation, Response


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores of one generation."""

    score: Score
    drafts: tuple[Score, ...] = ()
    """Of each earlier picture, as if it were the last"""


def judge(reward: Reward, generations: Sequence[Generation]) -> list[Judged]:
    """The scores of all generations, in order, each with those of its drafts."""
    drafts = [drafts_of(one) for one in generations]
    scores = iter(reward.score([*generations, *(draft for several in drafts for draft in several)]))
    finals = list(islice(scores, len(generations)))
    return [Judged(one, tuple(islice(scores, len(own)))) for one, own in zip(finals, drafts, strict=True)]


def drafts_of(generation: Generation) -> list[Generation]:
    """The pictures that --refine drew again, each as a generation; what a model drafts by itself is its own."""
    response = generation.response
    asked = response.drafts if response and response.refinement else ()
    return [replace(generation, response=Response(one.image)) for one in asked]


def draft_rows(store: RunStore, response: Response | None, scores: Sequence[Score]) -> tuple[Mapping[str, Any], ...]:
    """What a row keeps of its drafts, their pictures saved; `scores` of all or of none."""
    told = [{"status": one.status, "score": one.value, "parts": dict(one.parts)} for one in scores]
    drafts = response.drafts if response else ()
    return tuple(
        {"image": str(store.save_image(draft.image)["sha256"]), "reflection": draft.reflection, **score}
        for draft, score in zip(drafts, told or [{}] * len(drafts), strict=True)
    )
