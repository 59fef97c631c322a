"""One optimiser step: micro-batches of trajectories to gradients, agreed over processes.

Shapes: B trajectories of a micro-batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.adapter import EXPERTS, Expert, only, swapped
from trainer.averages import Averages
from trainer.loss import balance
from trainer.masters import Masters
from trainer.objective import Figures, Still, image_terms, speeds, stacks, text_terms
from trainer.policy import Policy
from trainer.policy_unified import chunks
from trainer.replay import Replayed, Texts
from trainer.shards import whole
from trainer.train_config import TrainConfig
from trainer.trajectory import Trajectory

Seen = tuple[Tensor, ...] | None
"""Velocities (B, W, N, D) of each drawing of a micro-batch; None where nobody was asked"""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A trajectory and how much better than its group it was."""

    trajectory: Trajectory
    images: tuple[float, ...]
    """The advantage of each drawing"""
    texts: tuple[float, ...]
    """The advantage of each text"""


def useful(lessons: Sequence[Lesson], config: TrainConfig) -> list[Lesson]:
    """Lessons that have a gradient: all of them where a divergence is weighed, else those with an advantage."""
    anchored = config.image.beta > 0 or config.text.beta > 0 or config.image.beta_ema > 0 or config.image.loss == "nft"
    whole = [one for one in lessons if one.trajectory.generation.response is not None]
    return whole if anchored else [one for one in whole if any((*one.images, *one.texts))]


def accumulate(
    policy: Policy,
    masters: Masters,
    lessons: Sequence[Lesson],
    config: TrainConfig,
    averages: Averages,
    scored: int,
    aligned: bool,
) -> dict[str, float]:
    """Adds the gradients of all lessons to the masters; gives sums over trajectories of each figure.

    The loss is divided by the number of scored trajectories of the whole update, so that no split changes it.
    """
    sums: dict[str, float] = {}
    shapes = [one.trajectory.shape for one in lessons]
    parts = [[lessons[place] for place in places] for places in chunks(shapes, config.per_device_train_batch_size)]
    stills = look(policy, [[one.trajectory for one in part] for part in parts], config, averages, aligned)
    for number in range(masters.rounds(len(parts))):
        if number < len(parts):
            figures = teach(policy, masters, parts[number], stills[number], config, aligned, scored)
            for name, values in figures.items():
                sums[name] = sums.get(name, 0.0) + float(values.sum())
                sums[f"{name}.count"] = sums.get(f"{name}.count", 0.0) + len(values)
        else:
            for expert in EXPERTS:
                masters.collect(of_expert(policy, expert))
    return sums


def of_expert(policy: Policy, expert: Expert) -> list[str]:
    """Names of the trained parameters of one expert."""
    return [name for name, kind in policy.kinds.items() if kind == expert]


def teach(
    policy: Policy,
    masters: Masters,
    lessons: Sequence[Lesson],
    still: Still,
    config: TrainConfig,
    aligned: bool,
    scored: int,
) -> Figures:
    """Adds the gradients of a micro-batch, of texts to one expert and then of images to the other; gives its figures.

    Each part goes back before the other is computed, while its expert alone has gradients: less is held at once, and
    layers that are computed again on the way back find the weights as they were.
    """
    trajectories = [one.trajectory for one in lessons]
    parameters = policy.parameters()
    with only(parameters, policy.kinds, "understanding"):
        replayed = policy.replay(trajectories, train=policy.thinks)
        written, figures = written_terms(lessons, replayed, config, still, aligned)
        window = len(lessons[0].images) * config.sampler.window_size
        text = (
            None if written is None else balance(written, written.new_zeros(len(lessons), window), config.text.weight)
        )
        if text is not None:
            (text.sum() / scored).backward()  # type: ignore[no-untyped-call]
    masters.collect(of_expert(policy, "understanding"))
    with only(parameters, policy.kinds, "generation"):
        drawn, more = drawn_terms(policy, lessons, replayed, config, still, aligned)
        image = balance(None if text is None else torch.zeros_like(text), drawn, config.text.weight)
        (image.sum() / scored).backward()  # type: ignore[no-untyped-call]
    masters.collect(of_expert(policy, "generation"))
    loss = image.detach() if text is None else image.detach() + text.detach()
    return {**figures, **more, "loss": loss}


def written_terms(
    lessons: Sequence[Lesson], replayed: Replayed, config: TrainConfig, still: Still, aligned: bool
) -> tuple[Tensor | None, Figures]:
    """Terms (B,) of all texts of each trajectory, None where nothing was written."""
    terms, figures = None, Figures()
    for number, texts in enumerate(replayed.texts):
        advantages = torch.tensor([one.texts[number] for one in lessons], device=texts.mask.device)
        reference = None if still.texts is None else still.texts[number]
        one, more = text_terms(config.text, texts, advantages, reference, aligned)
        terms = one if terms is None else terms + one
        figures.update(more)
    return terms, figures


def drawn_terms(
    policy: Policy, lessons: Sequence[Lesson], replayed: Replayed, config: TrainConfig, still: Still, aligned: bool
) -> tuple[Tensor, Figures]:
    """Terms (B, W) of all drawings of each trajectory, W trained transitions in all."""
    found = stacks([one.trajectory for one in lessons], config.image, policy.device, policy.sampler.scale)
    terms, figures = [], Figures()
    for number, (stack, velocity) in enumerate(zip(found, speeds(policy, replayed, found), strict=True)):
        advantages = torch.tensor([one.images[number] for one in lessons], device=policy.device)
        others = tuple(None if one is None else one[number] for one in (still.reference, still.old, still.average))
        one, more = image_terms(config.image, stack, velocity, advantages, others, aligned)
        terms.append(one)
        figures.update(more)
    return torch.cat(terms, dim=1), figures


@torch.no_grad()
def look(
    policy: Policy, parts: Sequence[Sequence[Trajectory]], config: TrainConfig, averages: Averages, aligned: bool
) -> list[Still]:
    """What the reference, the slow policy and the average say of each micro-batch, asked only where the loss needs it.

    Other weights are put in once for all micro-batches: where they lie in shards, all processes gather them together.
    """
    image, written = config.image, config.text.beta > 0 and policy.thinks
    old: list[Seen] = [None] * len(parts)
    average, drawn = list(old), list(old)
    texts: list[tuple[Texts, ...] | None] = [None] * len(parts)
    if image.beta > 0 or written:
        with policy.reference():
            for number, part in enumerate(parts):  # one replay at a time, whose contexts are large
                replayed = policy.replay(part, train=False)
                texts[number] = replayed.texts if written else None
                drawn[number] = see(policy, part, replayed, config) if image.beta > 0 else None
    if image.loss.startswith("nft") or (image.loss == "awm" and not aligned):
        with swapped(policy.parameters(), averages.old):
            old = [see(policy, part, policy.replay(part, train=False), config) for part in parts]
    if image.loss == "awm" and image.beta_ema > 0:
        with swapped(policy.parameters(), averages.slow):
            average = [see(policy, part, policy.replay(part, train=False), config) for part in parts]
    return [Still(*one) for one in zip(drawn, old, average, texts, strict=True)]


def see(policy: Policy, trajectories: Sequence[Trajectory], replayed: Replayed, config: TrainConfig) -> Seen:
    """The velocities of each drawing of a micro-batch, as the policy is now."""
    return speeds(policy, replayed, stacks(trajectories, config.image, policy.device, policy.sampler.scale))


def take_step(
    policy: Policy,
    masters: Masters,
    optimiser: torch.optim.Optimizer,
    config: TrainConfig,
    sums: Mapping[str, float],
) -> tuple[bool, float]:
    """Adds gradients over processes and takes the step; False where any process has a number that is none.

    All processes decide alike, before gradients are clipped (method.md 9.3).
    """
    norm = torch.nn.utils.get_total_norm(masters.gradients())
    length = float(whole(norm))
    finite = math.isfinite(length) and all(math.isfinite(value) for value in sums.values())
    if masters.launch.any(not finite):
        optimiser.zero_grad(set_to_none=True)
        return False, length
    torch.nn.utils.clip_grads_with_norm_(masters.tensors.values(), config.max_grad_norm, norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    masters.publish()
    policy.version += 1
    return True, length
