"""The eyes by themselves, before words: every patch says which shape and colour covers it. `python -m trainer.sight`.

BAGEL begins with the eyes of a trained SigLIP; the embedded model's learn to see here. Answers of yes and no teach
a picture's shapes hardly at all, a name for every patch teaches them within minutes.

Shapes: B pictures, M patches, W numbers in a patch, H width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from shutil import copytree

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.bagel.model import Bagel, Canvas
from harness.bagel.pixels import to_patches
from harness.model_tiny import read_bagel
from tasks.key import key
from tasks.scene import COLOURS, QUARTERS, SHAPES, SIDE, Scene, coverage, render
from trainer.exercise import pixels_of
from trainer.look import any_scene, faint
from trainer.optimisers import begin_step, build_optimisers, rate

LEAST = 0.04
"""Share of a patch that a thing must cover to be named."""
NOTHING = (len(SHAPES), len(COLOURS))
"""The names of a patch that no thing covers."""


@dataclass(frozen=True)
class SightConfig:
    """Train the eyes of an embedded model, and nothing else of it, to name what covers each patch."""

    start: Path
    """Folder of weights to begin with."""
    out: Path = Path("runs/sight")
    """Folder the same weights with other eyes are written to."""
    steps: int = 900
    """Optimiser steps."""
    pictures: int = 96
    """Pictures of one step."""
    lr: float = 3e-3
    """Highest learning rate of Muon and AdamW; it rises over 50 steps and falls to zero over the last two fifths."""
    seed: int = 0
    """Decides the scenes."""
    threads: int = 1
    """Processor threads."""


@dataclass(frozen=True, slots=True)
class Sights:
    """Pictures and the names of what covers their patches."""

    patches: Tensor
    """(B, M, W)"""
    shapes: Tensor
    """(B, M) places in SHAPES, or one beyond"""
    colours: Tensor
    """(B, M) places in COLOURS, or one beyond"""


def covering(scene: Scene, patch: int) -> NDArray[np.int64]:
    """(2, M) the shape and the colour of the thing that covers most of each patch of so many pixels a side."""
    side, shares = SIDE // patch, np.zeros((len(scene.things) + 1, SIDE + 20, SIDE + 20), dtype=np.float32)
    for share, thing in zip(shares, scene.things, strict=False):
        left, top = thing.x // QUARTERS, thing.y // QUARTERS
        share[top : top + 20, left : left + 20] = coverage(
            thing.shape, thing.radius, thing.x % QUARTERS, thing.y % QUARTERS
        )
    inside = shares[:, 10 : SIDE + 10, 10 : SIDE + 10]
    means = inside.reshape(-1, side, patch, side, patch).mean((2, 4)).reshape(-1, side * side)
    means[-1] = LEAST
    colours = tuple(COLOURS)
    names = [(SHAPES.index(thing.shape), colours.index(thing.colour)) for thing in scene.things]
    found: NDArray[np.int64] = np.array([*names, NOTHING])[means.argmax(0)].T
    return found


def sights(config: SightConfig, step: int, patch: int) -> Sights:
    """The pictures of one step; the same numbers give the same."""
    pixels, names = [], []
    for number in range(step * config.pictures, (step + 1) * config.pictures):
        random = Random(key("sight", config.seed, number))
        scene = any_scene(random)
        pixels.append(faint(render(scene), random))
        names.append(covering(scene, patch))
    shapes, colours = torch.from_numpy(np.stack(names, axis=1))
    return Sights(to_patches(pixels_of(pixels), patch), shapes, colours)


def seen(model: Bagel, patches: Tensor) -> Tensor:
    """What the eyes make of patches (B, M, W): (B, M, H)."""
    side = model.config.vit_max_num_patch_per_side
    canvas = Canvas.of([(side, side)] * len(patches), side, model.device)
    features: Tensor = model.connector(model.vit_model(patches, canvas.ids, canvas.valid))
    return features


def loss_of(named: Tensor, wanted: Sights) -> Tensor:
    """Cross-entropy of shapes plus that of colours, from scores (B, M, both vocabularies)."""
    shapes, colours = named.flatten(0, 1).tensor_split([NOTHING[0] + 1], dim=-1)
    return cross_entropy(shapes, wanted.shapes.flatten()) + cross_entropy(colours, wanted.colours.flatten())


def learn_to_see(model: Bagel, config: SightConfig) -> list[float]:
    """Trains the eyes in place and gives the loss of every step; ValueError for a model without eyes."""
    if model.config.vit is None:
        raise ValueError(f"the weights in {config.start} have no eyes")
    eyes = nn.ModuleList([model.vit_model, model.connector])
    names = nn.Linear(model.config.language.hidden_size, sum(NOTHING) + 2)
    learning = [*eyes.named_parameters(), *names.named_parameters()]
    steppers = build_optimisers(learning, config.lr)
    found = []
    for step in range(config.steps):
        begin_step(steppers, config.lr * rate(step, config.steps, 0.4, warm=50))
        batch = sights(config, step, model.config.vit.patch_size)
        loss = loss_of(names(seen(model, batch.patches)), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([one for _, one in learning], 1.0)
        for stepper in steppers:
            stepper.step()
        found.append(loss.item())
        if (step + 1) % 30 == 0:
            print({"step": step + 1, "loss": round(sum(found[-30:]) / 30, 4)}, flush=True)
    return found


def main(config: SightConfig) -> None:
    """Trains, and writes the folder of weights with the new eyes."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model, _ = read_bagel(config.start)
    learn_to_see(model, config)
    copytree(config.start, config.out, dirs_exist_ok=True)
    weights = load_file(config.start / "ema.safetensors")
    eyes = {name: one for name, one in model.state_dict().items() if name.startswith(("vit_model.", "connector."))}
    save_file(weights | {name: one.to(torch.float16) for name, one in eyes.items()}, config.out / "ema.safetensors")


if __name__ == "__main__":
    main(tyro.cli(SightConfig))
