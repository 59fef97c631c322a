"""Trains the embedded model from nothing: `make pretrain`, or `python -m trainer.pretrain --help`."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from safetensors.torch import load_file

from harness.bagel.config import BagelConfig, LanguageConfig
from harness.bagel.model import Bagel
from harness.bagel.prompts import Prompts
from harness.bagel.tokenizer import TextCoder
from harness.bagel.vit import VitConfig
from harness.model_tiny import SHIPPED
from tasks.scene import SIDE
from trainer.curriculum import Course, batch_of, lessons_of
from trainer.exercise import losses
from trainer.optimisers import begin_step, build_optimisers, rate
from trainer.snapshot import Average, export, restore, save
from trainer.vocabulary import build_tokenizer, vocabulary

DRAWING = ("moe_gen", "vae2llm", "llm2vae", "time_embedder")
"""Parts of the names of weights that work on latent tokens."""


@dataclass(frozen=True)
class PretrainConfig:
    """Train the embedded model on the training splits of the embedded world."""

    out: Path = Path("runs/pretrain")
    """Folder of checkpoints and the log; a run found there is continued."""
    course: Course = "draw"
    """What is taught: draw, look, all, polish, see, or redraw."""
    part: Literal["whole", "drawing"] = "whole"
    """What learns: the whole model, or the drawing expert alone, so that what it reads and says stays as it is."""
    start: Path | None = None
    """Folder of weights to begin with; from nothing when not given."""
    steps: int = 4000
    """Optimiser steps in all."""
    lr: float = 4e-3
    """Learning rate of Muon and AdamW, after warm-up and before decay."""
    decay: float = 0.3
    """Share of the steps, at the end, over which the learning rate falls to zero."""
    words: float = 0.5
    """Weight of what is written against what is drawn."""
    seed: int = 0
    """Decides weights, scenes and noise."""
    threads: int = 1
    """Processor threads; two threads beside another busy process are slower than one."""
    patch: int = 8
    """Pixels along a side of a latent token."""
    look: int = 8
    """Pixels along a side of what the eyes take for one patch."""
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
    """The architecture that a pretraining run makes; a model that only draws has no eyes."""
    language = LanguageConfig(
        vocab_size=(len(vocabulary()) + 63) // 64 * 64,
        hidden_size=config.hidden,
        intermediate_size=config.hidden * 2,
        num_hidden_layers=config.layers,
        num_attention_heads=config.hidden // 32,
        num_key_value_heads=config.hidden // 32,
        rope_theta=10_000.0,
    )
    side = SIDE // config.look
    eyes = VitConfig(config.hidden, config.hidden * 3, 4, config.hidden // 32, SIDE, config.look)
    return BagelConfig(
        language,
        None if config.course == "draw" else eyes,
        None,
        config.patch,
        SIDE // config.patch,
        vit_max_num_patch_per_side=70 if config.course == "draw" else side,
        prediction=config.prediction,
    )


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


def begin_with(model: Bagel, folder: Path) -> None:
    """Takes over the weights that a folder has; what it lacks (eyes, new words) stays fresh."""
    found = load_file(folder / "ema.safetensors")
    model.load_state_dict({name: tensor.float() for name, tensor in found.items()}, strict=False)


def keep_all_but_drawing(model: Bagel) -> None:
    """Leaves only the weights that work on latent tokens to be learnt."""
    for name, parameter in model.named_parameters():
        if not any(part in name for part in DRAWING):
            parameter.requires_grad_(False)


@dataclass(frozen=True, slots=True)
class Pupil:
    """The model that learns, its words and its fixed texts."""

    model: Bagel
    coder: TextCoder
    prompts: Prompts


def learn(pupil: Pupil, steppers: list[torch.optim.Optimizer], config: PretrainConfig, step: int) -> dict[str, float]:
    """One optimiser step; gives the loss of each lesson."""
    begin_step(steppers, config.lr * rate(step, config.steps, config.decay))
    found: dict[str, float] = {}
    lessons = lessons_of(config.course, step)
    images = sum(portion.examples * portion.draws for portion in lessons.values())
    for name, portion in lessons.items():
        batch = batch_of(name, portion, pupil.prompts, config.seed, step, config.patch, config.noise_mean)
        words, drawn = losses(pupil.model, pupil.coder, batch.to(config.device))
        share = portion.examples * portion.draws / max(1, images)
        parts = {f"{name} words": (words, config.words), f"{name} image": (drawn, share)}
        found |= {part: loss.item() for part, (loss, _) in parts.items() if loss is not None}
        whole = sum(loss * weight for loss, weight in parts.values() if loss is not None)
        whole.backward()  # type: ignore[union-attr]
    torch.nn.utils.clip_grad_norm_(pupil.model.parameters(), 1.0)
    for stepper in steppers:
        stepper.step()
    return found


def pretrain(config: PretrainConfig) -> None:
    """Runs or continues a pretraining run, then writes what ships."""
    torch.set_num_threads(config.threads)
    config.out.mkdir(parents=True, exist_ok=True)
    coder = TextCoder(build_tokenizer())
    torch.manual_seed(config.seed)
    model = Bagel(shape(config), coder.special)
    initialise(model)
    if config.start is not None:
        begin_with(model, config.start)
    model.to(config.device)
    if config.part == "drawing":
        keep_all_but_drawing(model)
    pupil = Pupil(model, coder, Prompts.read(SHIPPED / "prompts.json"))
    steppers, average = build_optimisers(model.named_parameters(), config.lr), Average(model)
    first = restore(config.out, model, average, steppers)
    recent: list[dict[str, float]] = []
    start = time.monotonic()
    until = config.steps if config.stop is None else min(config.stop, config.steps)
    for step in range(first, until):
        recent.append(learn(pupil, steppers, config, step))
        average.update(model, step)
        if (step + 1) % 30 == 0:
            report(config.out, step + 1, recent, time.monotonic() - start)
            recent = []
        if (step + 1) % config.save_every == 0 or step + 1 == until:
            save(config.out, step + 1, model, average, steppers, asdict(config))
    if until == config.steps:
        export(config.out, config.out / "tiny", coder, model, average)


def report(out: Path, step: int, found: Sequence[Mapping[str, float]], seconds: float) -> None:
    """One line of the log: the mean loss of each lesson since the line before."""
    sums: dict[str, list[float]] = defaultdict(list)
    for one in found:
        for name, loss in one.items():
            sums[name].append(loss)
    means = {name: round(sum(some) / len(some), 4) for name, some in sums.items()}
    line = {"step": step, **means, "seconds": round(seconds, 1)}
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


if __name__ == "__main__":
    pretrain(tyro.cli(PretrainConfig))
