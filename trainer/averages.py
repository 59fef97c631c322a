"""Slow copies of the trained parameters: the average that may ship, the old policy of NFT and AWM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.forward_loss import average_decay, slow_decay
from trainer.shards import snapshot
from trainer.train_config import TrainConfig

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Averages:
    """Copies that share no storage with the live parameters, changed in place; empty where they are not needed."""

    ema: Weights
    """decay `ema_decay` every `ema_every` updates"""
    old: Weights
    """the slow policy of the forward-process losses"""
    slow: Weights
    """what AWM is pulled towards"""

    @classmethod
    def start(cls, parameters: Mapping[str, nn.Parameter], config: TrainConfig) -> Averages:
        """All equal to the live parameters."""
        wanted = needed(config)
        return cls(*(snapshot(parameters) if name in wanted else {} for name in ("ema", "old", "slow")))

    def follow(self, parameters: Mapping[str, nn.Parameter], config: TrainConfig, updates: int) -> None:
        """After update number `updates`, counted from 1."""
        if self.ema and updates % config.ema_every == 0:
            mix(self.ema, parameters, average_decay(updates // config.ema_every, config.ema_decay))
        if self.old:
            mix(self.old, parameters, slow_decay(updates, config.image.old_schedule))
        if self.slow:
            mix(self.slow, parameters, slow_decay(updates, "awm"))

    def named(self) -> dict[str, Weights]:
        """All copies under the names they are saved by."""
        return {"ema": self.ema, "old": self.old, "slow": self.slow}


def needed(config: TrainConfig) -> list[str]:
    """Names of the copies that a run of these settings keeps, with `base` for what it began with."""
    forward = config.image.loss in ("nft", "nft_velocity", "awm")
    pulled = config.image.loss == "awm" and config.image.beta_ema > 0
    anchored = config.image.beta > 0 or (config.text.beta > 0 and config.think)
    kept = {"ema": config.ema_decay > 0, "old": forward, "slow": pulled, "base": anchored and not config.lora_r}
    return [name for name, needs in kept.items() if needs]


@torch.no_grad()
def mix(weights: Weights, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
    """weights <- decay weights + (1 - decay) parameters."""
    for name, kept in weights.items():
        kept.lerp_(parameters[name].detach(), 1.0 - decay)
