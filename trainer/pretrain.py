"""Trains the embedded model from nothing: `make pretrain`, or `python -m trainer.pretrain --help`.

Shapes: B prompts, K noise draws of each image, N latent tokens, W numbers in a token.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from torch import Tensor

from harness.bagel.config import BagelConfig, LanguageConfig
from harness.bagel.context import Context
from harness.bagel.model import SMALLEST_SIGMA, Bagel, Canvas
from harness.bagel.pixels import to_patches
from harness.bagel.tokenizer import TextCoder
from tasks.scene import SIDE
from trainer.lesson import Example, examples
from trainer.muon import Muon
from trainer.snapshot import Average, export, restore, save
from trainer.vocabulary import build_tokenizer, vocabulary


@dataclass(frozen=True)
class PretrainConfig:
    """Train the embedded model from nothing on the scenes' training split."""

    out: Path = Path("runs/pretrain")
    """Folder of checkpoints and the log; a run found there is continued."""
    steps: int = 5500
    """Optimiser steps in all."""
    prompts: int = 48
    """Prompts a step."""
    draws: int = 3
    """Noise levels drawn for each image of a step."""
    lr: float = 4e-3
    """Learning rate of Muon and AdamW, after warm-up and before decay."""
    decay: float = 0.3
    """Share of the steps, at the end, over which the learning rate falls to zero."""
    text_free: float = 0.1
    """Share of prompts that are left out, so that guidance has something to lead away from."""
    seed: int = 0
    """Decides weights, scenes and noise."""
    threads: int = 1
    """Processor threads; two threads beside another busy process are slower than one."""
    patch: int = 8
    """Pixels along a side of a latent token."""
    hidden: int = 192
    """Width of the model."""
    layers: int = 6
    """Transformer layers."""
    prediction: Literal["velocity", "data"] = "data"
    """What the latent head predicts."""
    stop: int | None = None
    """Leave after this step, to go on later; the schedule stays that of `steps`."""
    save_every: int = 250
    """Steps between checkpoints."""
    noise_mean: float = 0.4
    """Mean of the logit of the noise level; above 0 favours noisy images, where places are decided."""
    device: str = "cpu"
    """Torch device."""


def shape(config: PretrainConfig) -> BagelConfig:
    """The architecture that a pretraining run makes."""
    language = LanguageConfig(
        vocab_size=(len(vocabulary()) + 63) // 64 * 64,
        hidden_size=config.hidden,
        intermediate_size=config.hidden * 2,
        num_hidden_layers=config.layers,
        num_attention_heads=config.hidden // 32,
        num_key_value_heads=config.hidden // 32,
        rope_theta=10_000.0,
    )
    side = SIDE // config.patch
    return BagelConfig(language, None, None, config.patch, side, prediction=config.prediction)


def initialise(model: Bagel) -> None:
    """Fresh weights: normal with the width's scale, the latent head at zero as in BAGEL."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad or "norm" in name:
            continue
        if parameter.ndim == 1:
            torch.nn.init.zeros_(parameter)
        else:
            torch.nn.init.normal_(parameter, std=0.02 if "embed" in name else parameter.shape[1] ** -0.5)
    torch.nn.init.zeros_(model.llm2vae.weight)


def draw_loss(model: Bagel, batch: list[tuple[list[int], Tensor]], draws: int, spread: Tensor, noise: Tensor) -> Tensor:
    """Mean squared velocity error over `draws` noise levels of each image; `spread` (B * K,) are the levels.

    Flow matching as in BAGEL (arXiv 2505.14683); with x-prediction the same loss divides the error by sigma (JiT).
    """
    context, _ = model.read_text(Context.empty(len(batch), model.device), [ids for ids, _ in batch])
    clean = torch.stack([image for _, image in batch]).repeat_interleave(draws, 0)
    level = spread[:, None, None]
    noisy = (1.0 - level) * clean + level * noise
    side = SIDE // model.config.latent_patch_size
    canvas = Canvas.of([(side, side)] * len(clean), model.config.max_latent_size, model.device)
    velocity = model.velocity(context, noisy, spread, canvas)
    if model.config.prediction == "data":  # the floor of the divisor must not make the target unreachable
        return (velocity - (noisy - clean) / level.clamp(min=SMALLEST_SIGMA)).square().mean()
    return (velocity - (noise - clean)).square().mean()


class Lessons:
    """Batches by step number; the same step gives the same batch in every run."""

    def __init__(self, config: PretrainConfig, coder: TextCoder) -> None:
        self.config, self.coder = config, coder

    def batch(self, step: int) -> tuple[list[tuple[list[int], Tensor]], Tensor, Tensor]:
        """Token ids and image tokens of each example, noise levels (B * K,), and noise (B * K, N, W)."""
        config = self.config
        random = np.random.default_rng((config.seed, step))
        taught = examples(config.seed, step * config.prompts, config.prompts)
        tokens = to_patches(pixels(taught), config.patch).to(config.device)
        keep = random.random(config.prompts) >= config.text_free
        ids = [self.coder.encode(one.text) if kept else [] for one, kept in zip(taught, keep, strict=True)]
        strata = (np.arange(config.draws) + random.random((config.prompts, config.draws))) / config.draws
        logit = torch.special.ndtri(torch.from_numpy(strata).clamp(1e-4, 1.0 - 1e-4)).flatten() + config.noise_mean
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        noise = torch.randn(config.prompts * config.draws, *tokens.shape[1:], generator=generator)
        level = torch.sigmoid(logit).float().to(config.device)
        return list(zip(ids, tokens, strict=True)), level, noise.to(config.device)


def pixels(taught: list[Example]) -> Tensor:
    """Pictures of examples as (B, 3, height, width) in [-1, 1]."""
    stacked = np.stack([one.image for one in taught])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def optimisers(model: Bagel, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the rest."""
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (matrices if parameter.ndim == 2 and ".layers." in name else rest).append(parameter)
    return [Muon(matrices, config.lr), torch.optim.AdamW(rest, config.lr, betas=(0.9, 0.98), weight_decay=0.0)]


def rate(step: int, config: PretrainConfig) -> float:
    """Learning rate of a step as a share of the highest: 100 steps of warm-up, level, then linear decay."""
    left = (config.steps - step) / max(1.0, config.decay * config.steps)
    return min(1.0, (step + 1) / 100, left)


def learn(model: Bagel, steppers: list[torch.optim.Optimizer], lessons: Lessons, step: int) -> float:
    """One optimiser step; gives its loss."""
    config = lessons.config
    for stepper in steppers:
        for group in stepper.param_groups:
            group["lr"] = config.lr * rate(step, config)
        stepper.zero_grad()
    batch, level, noise = lessons.batch(step)
    loss = draw_loss(model, batch, config.draws, level, noise)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for stepper in steppers:
        stepper.step()
    return loss.item()


def pretrain(config: PretrainConfig) -> None:
    """Runs or continues a pretraining run, then writes what ships."""
    torch.set_num_threads(config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    coder = TextCoder(build_tokenizer())
    torch.manual_seed(config.seed)
    model = Bagel(shape(config), coder.special)
    initialise(model)
    model.to(config.device)
    steppers, average, lessons = optimisers(model, config), Average(model), Lessons(config, coder)
    first = restore(config.out, model, average, steppers)
    recent: list[float] = []
    start = time.monotonic()
    until = config.steps if config.stop is None else min(config.stop, config.steps)
    for step in range(first, until):
        recent.append(learn(model, steppers, lessons, step))
        average.update(model, step)
        if (step + 1) % 50 == 0:
            report(config.out, step + 1, recent, time.monotonic() - start)
            recent = []
        if (step + 1) % config.save_every == 0 or step + 1 == until:
            save(config.out, step + 1, model, average, steppers, asdict(config))
    if until == config.steps:
        export(config.out, config.out / "tiny", coder, model, average)


def report(out: Path, step: int, losses: list[float], seconds: float) -> None:
    """One line of the log."""
    line = {"step": step, "loss": sum(losses) / len(losses), "seconds": round(seconds, 1)}
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


if __name__ == "__main__":
    pretrain(tyro.cli(PretrainConfig))
