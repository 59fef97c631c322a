"""What a training configuration must not ask for, told before any model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from harness.bagel.schedule import sigma_grid
from tasks.registry import unknown
from trainer.sde import transition
from trainer.train_config import TrainConfig
from trainer.window import Window

TRACKERS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""What `report_to` may name, and the packages that serve it."""
BRINGS = {"tensorboard": "'image-harness[tracking]'", "wandb": "wandb"}
"""What pip installs for it."""
COUNTS = ("prompts_per_step", "max_steps", "num_iterations", "rollout_batch_size", "per_device_train_batch_size")
"""Keys that are numbers of at least 1."""


def window_of(config: TrainConfig) -> Window:
    """The window that the sampler section describes; ValueError if it does not fit the grid."""
    section = config.sampler
    if len(section.window_range) != 2:
        raise ValueError(f"sampler.window_range is two numbers, not {list(section.window_range)}")
    low, high = section.window_range
    moves = section.window_schedule, section.window_stride, section.window_period
    window = Window(section.window_size, low, high, *moves)
    window.check(section.num_inference_steps)
    return window


def check_config(config: TrainConfig) -> None:
    """ValueError names the first thing that cannot be."""
    window = window_of(config)
    forward = config.image.loss in ("nft", "nft_velocity", "awm")
    if config.num_generations < 2:
        raise ValueError(
            f"num_generations is {config.num_generations}, but a member is compared with its group: take 2 or more"
        )
    for name in COUNTS:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, not {getattr(config, name)}")
    if len(config.sampler.guidance_interval) != 2:
        raise ValueError(f"sampler.guidance_interval is two numbers, not {list(config.sampler.guidance_interval)}")
    if not forward:
        check_noise(config, window)
    check_trackers(config.report_to)
    check_regress(config)
    if config.mode != "rt2i" and config.refine.init_images < 1:
        raise ValueError("refine.init_images must be at least 1: a refinement needs a picture to start from")
    if config.mode != "rt2i" and not config.think and config.refine.rounds > 1:
        raise ValueError("refine.rounds above 1 needs think: true, or no round would know what to change")
    if config.model == "diffusers" and (config.think or config.mode != "rt2i"):
        raise ValueError("a diffusers pipeline draws and edits, but writes nothing: mode rt2i and think: false")
    if config.refine.rounds > 1 and config.mode == "rt2i":
        raise ValueError("refine.rounds above 1 needs the mode srr")
    if config.text.top_p < 1.0 and config.num_iterations > 1:
        raise ValueError("text.top_p below 1 needs num_iterations 1: the tokens that could be drawn would change")
    if config.text.importance_sampling_level == "sequence" and config.text.top_entropy_quantile < 1.0:
        raise ValueError("text.top_entropy_quantile below 1 needs text.importance_sampling_level: token")
    if not 0.0 <= config.ema_decay < 1.0:
        raise ValueError(f"ema_decay must lie in [0, 1), not {config.ema_decay}")


def check_trackers(names: Sequence[str]) -> None:
    """ValueError for a tracker that is unknown or not installed: accelerate would leave it out in silence."""
    for name in names:
        if name not in TRACKERS:
            raise ValueError(unknown("tracker in report_to", name, TRACKERS))
        if not any(find_spec(package) for package in TRACKERS[name]):
            raise ValueError(f"report_to {name} needs the package {name}; `pip install {BRINGS[name]}` brings it")


def check_noise(config: TrainConfig, window: Window) -> None:
    """ValueError for a window transition without noise: it has no probability."""
    section = config.sampler
    if section.kernel == "ode" or section.eta <= 0.0:
        raise ValueError(
            f"the kernel {section.kernel!r} with eta {section.eta:g} draws without noise; "
            f"image.loss {config.image.loss!r} needs a kernel with noise (flow, dance, cps), nft and awm do not"
        )
    if section.kernel == "cps" and section.eta > 1.0:
        raise ValueError(f"the kernel cps takes eta up to 1, not {section.eta:g}")
    sigmas = [float(one) for one in sigma_grid(section.num_inference_steps + 1, section.shift or 1.0)]
    for place in range(window.low, window.high):
        if transition(section.kernel, sigmas, place, section.eta).deviation <= 0.0:
            raise ValueError(f"transition {place} of the window carries no noise under the kernel {section.kernel!r}")


def check_regress(config: TrainConfig) -> None:
    """ValueError for a measurement of understanding that would never be made or judged."""
    section = config.held_out
    if not section.regress:
        return
    if not config.eval_steps:
        raise ValueError("held_out.regress is asked at every held-out evaluation, and eval_steps 0 makes none")
    if config.model == "diffusers":
        raise ValueError("held_out.regress asks a model that writes: a diffusers pipeline understands no question")
    if section.margin <= 0.0:
        raise ValueError(f"held_out.margin must be above 0 points, not {section.margin:g}")
    from harness.understanding import check_tasks

    check_tasks(section.regress)
