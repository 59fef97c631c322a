"""Which questions a reward asks about a sample: those of the sample, or one of its own about the whole prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tasks.sample import Question, Sample
from tasks.task import RewardSpec, Task

WHOLE = 'Does this figure show "{prompt}"?'
"""The question of VQAScore (Lin et al., ECCV 2024), without its last words, which the answers wanted make needless."""


def whole_prompt(sample: Sample, options: Mapping[str, Any]) -> Question:
    """One yes/no question about the whole prompt; `wording` may word it otherwise."""
    wording = str(options.get("wording", WHOLE))
    return Question("vqascore", wording.replace("{prompt}", sample.request.prompt), group="vqascore")


def prompt_itself(sample: Sample, options: Mapping[str, Any]) -> Question:  # noqa: ARG001 - one signature for all
    """The prompt, which is read back out of the picture."""
    return Question("readback", sample.request.prompt, group="readback")


OWN: Mapping[str, Callable[[Sample, Mapping[str, Any]], Question]] = {
    "vqascore": whole_prompt,
    "readback": prompt_itself,
}
"""Kinds of reward that bring one question of their own, in the place of the sample's."""


def asked(task: Task) -> Task:
    """The task with the questions that its reward asks."""
    kinds = parts_of(task.reward)
    if not any(kind in OWN for kind, _ in kinds):
        return task
    return replace(task, samples=tuple(questioned(sample, kinds) for sample in task.samples))


def parts_of(spec: RewardSpec) -> list[tuple[str, Mapping[str, Any]]]:
    """Kind and options of the reward, or of each of its parts."""
    if spec.kind != "weighted":
        return [(spec.kind, spec.options)]
    return [(str(one.get("kind", "questions")), one.get("options", {})) for one in described(spec).values()]


def described(spec: RewardSpec) -> dict[str, Mapping[str, Any]]:
    """The parts of a sum that are described at all; the reward itself complains about others."""
    parts = spec.options.get("parts") if spec.kind == "weighted" else None
    if not isinstance(parts, Mapping):
        return {}
    return {str(name): one for name, one in parts.items() if isinstance(one, Mapping)}


def questioned(sample: Sample, kinds: list[tuple[str, Mapping[str, Any]]]) -> Sample:
    """The sample with the questions of rewards that bring their own, and its own ones if any reward asks them."""
    own = tuple(OWN[kind](sample, options) for kind, options in kinds if kind in OWN)
    kept = sample.questions if any(kind not in OWN for kind, _ in kinds) else ()
    return replace(sample, questions=(*kept, *own))
