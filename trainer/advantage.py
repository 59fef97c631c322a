"""How much better than its group each trajectory was. Unscored ones neither teach nor move a mean (method.md 4.1, 4.2).

A group is named by any hashable; samples come in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["batch", "batch_raw", "group", "none"]
Aggregation = Literal["sum_then_normalize", "normalize_then_sum", "gdpo"]
Rewards = Sequence[float | None]
Groups = Sequence[Hashable]
Array = NDArray[np.float64]
TINY = 1e-4


def members(groups: Groups) -> dict[Hashable, list[int]]:
    """Positions of each group's samples."""
    found: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        found.setdefault(group, []).append(place)
    return found


def counted(rewards: Rewards, groups: Groups, min_valid: int = 2) -> list[list[int]]:
    """Scored positions of every group that has at least `min_valid` of them."""
    scored = ([place for place in places if rewards[place] is not None] for places in members(groups).values())
    return [places for places in scored if len(places) >= max(1, min_valid)]


def centred(rewards: Rewards, groups: Groups, min_valid: int = 2) -> Array:
    """Rewards less their group's mean; 0 for the unscored, for groups too small, and exactly 0 where all are equal."""
    values = np.zeros(len(rewards))
    for places in counted(rewards, groups, min_valid):
        own = np.array([rewards[place] for place in places], dtype=np.float64)
        values[places] = 0.0 if own.max() == own.min() else own - own.mean()
    return values


def advantages(
    rewards: Rewards, groups: Groups, scale: Scale = "batch", min_valid: int = 2, tiny: float = TINY
) -> Array:
    """A of every sample: the centred reward over `scale` + tiny; 0 where nothing can be said.

    `batch` divides by the spread of the centred rewards of the update, `batch_raw` by that of the raw ones (AlphaGRPO),
    `group` by that within the group (GRPO, arXiv 2402.03300), `none` by 1.
    """
    values = centred(rewards, groups, min_valid)
    valid = counted(rewards, groups, min_valid)
    if scale == "none" or not valid:
        return values
    if scale == "group":
        for places in valid:
            values[places] /= values[places].std() + tiny
        return values
    everyone = [place for places in valid for place in places]
    raw = np.array([rewards[place] for place in everyone], dtype=np.float64)
    spread = raw.std() if scale == "batch_raw" else values[everyone].std()
    return np.asarray(values / (spread + tiny))


def several_advantages(
    rewards: Mapping[str, Rewards],
    weights: Mapping[str, float],
    groups: Groups,
    aggregation: Aggregation = "sum_then_normalize",
    scale: Scale = "batch",
    min_valid: int = 2,
) -> Array:
    """One A from several rewards.

    `sum_then_normalize` weighs the rewards, a sample being unscored if any that counts is; the others weigh advantages,
    masked for each reward apart, and `gdpo` (arXiv 2601.05242) normalises that sum over the batch once more.
    """
    used = [name for name in rewards if weights[name] != 0.0]
    if aggregation == "sum_then_normalize":
        summed = weighted_sum([rewards[one] for one in used], [weights[one] for one in used])
        return advantages(summed, groups, scale, min_valid)
    within: Scale = "group" if aggregation == "gdpo" else scale
    total = np.zeros(len(groups))
    known = np.zeros(len(groups), dtype=bool)
    for name in used:
        total += weights[name] * advantages(rewards[name], groups, within, min_valid)
        known[[place for places in counted(rewards[name], groups, min_valid) for place in places]] = True
    if aggregation == "gdpo" and known.any():
        total[known] = (total[known] - total[known].mean()) / (total[known].std() + TINY)
    return total


def weighted_sum(rewards: Sequence[Rewards], weights: Sequence[float]) -> list[float | None]:
    """Sum of rewards; None where any of them is."""
    sums: list[float | None] = []
    for values in zip(*rewards, strict=True):
        scored = [value for value in values if value is not None]
        whole = len(scored) == len(values)
        sums.append(sum(weight * value for weight, value in zip(weights, scored, strict=True)) if whole else None)
    return sums


def clip(values: Array, limit: float) -> Array:
    """Values within +-limit."""
    return np.clip(values, -limit, limit)


def flat_groups(rewards: Rewards, groups: Groups, min_valid: int = 2) -> int:
    """How many groups have enough scored members and no spread among them."""
    valid = counted(rewards, groups, min_valid)
    return sum(len({rewards[place] for place in places}) == 1 for places in valid)


def _each(rewards: Rewards, groups: Groups, rule: Callable[[Array], Array]) -> Array:
    values = np.zeros(len(rewards))
    for places in counted(rewards, groups, 1):
        values[places] = rule(np.array([rewards[place] for place in places], dtype=np.float64))
    return values


def raw(rewards: Rewards, groups: Groups) -> Array:
    """The reward itself (REINFORCE without a baseline)."""
    return _each(rewards, groups, lambda own: own)


def best(rewards: Rewards, groups: Groups) -> Array:
    """1 for the best member of a group, the first of equals, else 0."""
    return _each(rewards, groups, lambda own: (np.arange(len(own)) == own.argmax()).astype(np.float64))


def best_worst(rewards: Rewards, groups: Groups) -> Array:
    """1 for the best, -1 for the worst, else 0; nothing where all are equal."""

    def rule(own: Array) -> Array:
        ends = np.zeros(len(own))
        if own.max() > own.min():
            ends[own.argmax()], ends[own.argmin()] = 1.0, -1.0
        return ends

    return _each(rewards, groups, rule)


def remax(rewards: Rewards, groups: Groups, baseline: Mapping[Hashable, float]) -> Array:
    """The reward less a given baseline of its group (ReMax, arXiv 2310.10505)."""
    values = raw(rewards, groups)
    for group, places in members(groups).items():
        for place in places:
            values[place] = 0.0 if rewards[place] is None else values[place] - baseline[group]
    return values


def anchor(rewards: Rewards, groups: Groups, baseline: Mapping[Hashable, float]) -> Array:
    """The reward less the higher of a given value and the group's mean, over the root mean square of these."""
    values = np.zeros(len(rewards))
    for group, places in members(groups).items():
        scored = [place for place in places if rewards[place] is not None]
        if scored:
            own = np.array([rewards[place] for place in scored], dtype=np.float64)
            own = own - max(baseline[group], float(own.mean()))
            values[scored] = own / (np.sqrt(np.square(own).mean()) + TINY)
    return values
