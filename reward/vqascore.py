"""vqascore: the probability of yes to one question about the whole prompt (VQAScore); a questions reward of one."""

from __future__ import annotations

from dataclasses import replace

from reward import questions
from reward.asking import WHOLE
from reward.reward import Reward
from reward.verifier import Verifier
from tasks.task import RewardSpec

SPEC = RewardSpec("vqascore", "share", "pooled", options={"min_answered": 1.0})


def build(spec: RewardSpec, verifier: Verifier) -> Reward:
    """The reward; its questions are made by `reward/asking.py`. ValueError names what does not exist."""
    given = dict(spec.options)
    wording = given.pop("wording", WHOLE)
    if not isinstance(wording, str) or "{prompt}" not in wording:
        raise ValueError(f"the option 'wording' of vqascore is a text with {{prompt}} in it, not {wording!r}")
    return questions.build(replace(spec, options=given), verifier)
