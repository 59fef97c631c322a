"""What an update costs, in forwards of the network and calls of the verifier (method.md 10)."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.task import Task
from trainer.averages import needed
from trainer.memory import memory_lines
from trainer.objective import FORWARD
from trainer.train_config import TrainConfig

BACKWARD = 3
"""A forward and its backward cost about this many forwards."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Forwards of one trajectory."""

    rollout: float
    old: float
    reference: float
    training: float
    first_images: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.rollout + self.old + self.reference + self.training + self.first_images


def cost(config: TrainConfig) -> Cost:
    """The cost model, from the settings alone."""
    section = config.sampler
    branches = 1 + (section.guidance_scale > 1) + (section.image_guidance_scale > 1)
    transitions, window = section.num_inference_steps, section.window_size
    forward = config.image.loss in FORWARD
    trained = 1 if forward else branches
    rounds = config.refine.rounds
    old = window * (config.image.loss.startswith("nft") or (config.image.loss == "awm" and config.image.beta_ema > 0))
    first = 0.0
    if config.mode != "rt2i":
        share = config.refine.share if config.mode == "mixed" else 1.0
        first = share * transitions * config.refine.init_images / config.num_generations
    return Cost(
        rounds * branches * transitions,
        rounds * float(old),
        rounds * trained * window * float(config.image.beta > 0),
        rounds * BACKWARD * trained * window * config.num_iterations,
        first,
    )


def cost_lines(config: TrainConfig, task: Task) -> list[str]:
    """The cost of an update as lines of text."""
    found = cost(config)
    images = config.prompts_per_step * config.num_generations
    first = config.prompts_per_step * config.refine.init_images if config.mode != "rt2i" else 0
    questions = sum(len(one.questions) for one in task.samples) / len(task.samples)
    calls = round((images + first) * questions)
    states = 3 * config.sampler.window_size + 1
    rows = [
        ("trajectories an update", f"{images} ({config.prompts_per_step} prompts x {config.num_generations})"),
        ("forwards a trajectory", f"{found.total:g}"),
        ("  rollout", f"{found.rollout:g}"),
        ("  old policy or average", f"{found.old:g}"),
        ("  reference", f"{found.reference:g}"),
        ("  forward and backward", f"{found.training:g}"),
        ("  first images", f"{found.first_images:g}"),
        ("forwards an update", f"{found.total * images:g}"),
        ("verifier calls an update", f"{calls} ({questions:.1f} questions an image)"),
        ("updates", f"{config.max_steps}, {found.total * images * config.max_steps:,.0f} forwards in all"),
        ("latents kept a trajectory", f"{states} (3 W + 1, whatever T)"),
        ("trained weights in memory", f"4 bytes, and {12 + 4 * len(needed(config))} more for gradient, AdamW "
         + f"and slow copies ({', '.join(needed(config)) or 'none'}), each; LoRA "
         + (f"rank {config.lora_r}" if config.lora_r else "off: all weights")),
        *memory_lines(config),
    ]  # fmt: skip
    return [*(f"{name:32} {value}" for name, value in rows), "nothing was trained"]
