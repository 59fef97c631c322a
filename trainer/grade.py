"""From marks to lessons: shaped rewards, the format bonus, advantages for drawings and texts, figures for the log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer import advantage
from trainer.advantage import Array
from trainer.marks import Batch, Marked
from trainer.plan import Group
from trainer.shaping import gains, rectify
from trainer.train_config import TrainConfig
from trainer.trajectory import Trajectory
from trainer.update import Lesson


def shape(config: TrainConfig, marks: Sequence[Marked]) -> list[list[float | None]]:
    """The shaped reward of each round of each trajectory, before the format reward."""
    shaped: list[list[float | None]] = [list(one.rewards) for one in marks]
    for places in advantage.members([one.group for one in marks]).values():
        if not marks[places[0]].refine:
            continue
        first = marks[places[0]].first
        if config.advantage.credit == "per_round":
            for place in places:
                shaped[place] = gains([first, *marks[place].rewards])
            continue
        last = rectify([marks[place].rewards[-1] for place in places], first, config.advantage.rectify)
        for place, value in zip(places, last, strict=True):
            shaped[place] = [value]
    return shaped


def format_weight(config: TrainConfig, mark: Marked) -> float:
    """1 for thinking before drawing and 0 for refinement, unless the recipe says otherwise; 0 without thinking."""
    if not config.think:
        return 0.0
    given = config.advantage.format_weight
    return (0.0 if mark.refine else 1.0) if given is None else given


def round_advantages(config: TrainConfig, marks: Sequence[Marked], rewards: Sequence[float | None]) -> Array:
    """A of every trajectory from one round's shaped rewards and the format reward."""
    groups = [one.group for one in marks]
    section = config.advantage
    weight = max(format_weight(config, one) for one in marks)
    if section.aggregation == "sum_then_normalize" or weight == 0.0:
        total = [
            None if reward is None else reward + format_weight(config, one) * one.format
            for one, reward in zip(marks, rewards, strict=True)
        ]
        return advantage.advantages(total, groups, section.scale_rewards, section.min_valid_generations)
    forms = [None if reward is None else one.format for one, reward in zip(marks, rewards, strict=True)]
    return advantage.several_advantages(
        {"reward": rewards, "format": forms}, {"reward": 1.0, "format": weight}, groups,
        section.aggregation, section.scale_rewards, section.min_valid_generations,
    )  # fmt: skip


def grade(
    config: TrainConfig, trajectories: Sequence[Trajectory], marks: Sequence[Marked], seconds: dict[str, float]
) -> Batch:
    """The batch of an update: lessons of this process's trajectories, figures over all of them."""
    shaped = shape(config, marks)
    raw = all_advantages(config, marks, shaped)
    clipped = advantage.clip(raw, config.advantage.adv_clip)
    place_of = {(one.group, one.member): place for place, one in enumerate(marks)}
    left_out = level_groups(marks, raw) if config.advantage.filter_zero_std else frozenset()
    lessons = []
    for one in trajectories:
        if one.situation.group in left_out:
            continue
        place = place_of[(one.situation.group, one.member)]
        images = spread(clipped[:, place], len(one.drawings))
        texts = spread((clipped if config.advantage.clip_text else raw)[:, place], len(one.text))
        lessons.append(Lesson(one, images, texts))
    scored = [one for one in marks if one.rewards[-1] is not None]
    taught = sum(one.group not in left_out for one in scored)
    figures = figures_of(config, marks, shaped, clipped) | {"groups_filtered": float(len(left_out))}
    return Batch(tuple(lessons), taught, 1.0 - len(scored) / len(marks), figures, seconds)


def all_advantages(config: TrainConfig, marks: Sequence[Marked], shaped: Sequence[Sequence[float | None]]) -> Array:
    """A (rounds, trajectories) before the clip; a trajectory of fewer rounds counts its last one again."""
    rounds = max(len(one) for one in shaped)
    each = [[one[number] if number < len(one) else one[-1] for one in shaped] for number in range(rounds)]
    return np.stack([round_advantages(config, marks, rewards) for rewards in each])


def level_groups(marks: Sequence[Marked], advantages: Array) -> frozenset[Group]:
    """The groups in which nobody is better than another, in any round: they teach nothing."""
    moved = {one.group for place, one in enumerate(marks) if advantages[:, place].any()}
    return frozenset(one.group for one in marks if one.group not in moved)


def spread(values: Array, count: int) -> tuple[float, ...]:
    """One advantage a round; a single one counts for every round."""
    return tuple(float(values[min(number, len(values) - 1)]) for number in range(count))


def figures_of(
    config: TrainConfig, marks: Sequence[Marked], shaped: Sequence[Sequence[float | None]], advantages: Array
) -> dict[str, float]:
    """What the log keeps of the rewards of an update."""
    groups = [one.group for one in marks]
    rewards = [one.rewards[-1] for one in marks]
    values = np.array([value for value in rewards if value is not None], dtype=np.float64)
    final = [one[-1] for one in shaped]
    valid = advantage.counted(rewards, groups, config.advantage.min_valid_generations)
    found = {
        "unscored": 1.0 - len(values) / len(marks),
        "frac_reward_zero_std": advantage.flat_groups(final, groups) / max(1, len(advantage.members(groups))),
        "groups_too_small": float(len(advantage.members(groups)) - len(valid)),
        "advantage_abs": float(np.abs(advantages).mean()),
    }
    if len(values):
        found |= {"reward": float(values.mean()), "reward_std": float(values.std())}
    lifted = [value for value in final if value is not None]
    if lifted:
        found["shaped_reward"] = float(np.mean(lifted))
    if config.think:
        found["format"] = float(np.mean([one.format for one in marks]))
        found["format_weight"] = float(np.mean([format_weight(config, one) for one in marks]))
    firsts = [one.first for one in marks if one.refine and one.first is not None]
    if firsts:
        found["first_reward"] = float(np.mean(firsts))
    for name in sorted({name for one in marks for name, _ in one.parts}):
        known = [value for one in marks for part, value in one.parts if part == name and value is not None]
        if known:
            found[f"part.{name}"] = float(np.mean(known))
    return found
