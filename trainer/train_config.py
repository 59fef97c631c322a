"""The configuration of `harness train`: every key of a recipe, with TRL's names where TRL has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.bagel.guidance import Renorm
from trainer.advantage import Aggregation, Scale
from trainer.sde import Kernel, LogProbScale
from trainer.shaping import Rectify
from trainer.window import Schedule


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """How a rollout draws."""

    num_inference_steps: int = 8
    """Transitions T of a rollout; BAGEL's N grid points are T + 1."""
    shift: float | None = None
    """Timestep shift; the model's own when not given."""
    kernel: Kernel = "cps"
    eta: float = 0.8
    window_size: int = 2
    """Transitions W that carry noise and are trained."""
    window_range: tuple[int, ...] = (0, 4)
    """The window lies in [first, second)."""
    window_schedule: Schedule = "random"
    window_stride: int = 1
    window_period: int = 25
    guidance_scale: float = 1.0
    """1 draws and trains without guidance: one forward a transition."""
    image_guidance_scale: float = 1.0
    guidance_interval: tuple[float, ...] = (0.0, 1.0)
    """Noise levels (low, high] that guidance applies to."""
    guidance_renorm: Renorm = "none"
    log_prob_scale: LogProbScale = "gaussian"
    init_same_noise: bool = False


@dataclass(frozen=True, slots=True)
class TextConfig:
    """How texts are written and trained."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_completion_length: int = 1024
    importance_sampling_level: Literal["sequence", "token"] = "sequence"
    epsilon: float = 0.2
    epsilon_high: float = 0.28
    beta: float = 0.0
    """Weight of the k3 divergence from the reference."""
    weight: float = 1.0
    """w_text of method.md 6.5."""
    top_entropy_quantile: float = 1.0
    """Share of the tokens that are trained, those of the highest entropy."""
    rollout_correction: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The loss of drawings."""

    loss: Literal["grpo", "guard", "dppo", "nft", "nft_velocity", "awm"] = "grpo"
    epsilon: float = 1e-5
    """Clip range of the ratio; its order is set by the mean over a latent's numbers."""
    beta: float = 0.0
    """Weight of the divergence from the reference."""
    divergence: Literal["exact", "legacy", "velocity", "latent"] = "exact"
    beta_ema: float = 0.0
    """AWM's pull towards its slow average."""
    beta_nft: float = 1.0
    awm_weight: Literal["uniform", "t", "t2", "huber", "ghuber"] = "ghuber"
    old_schedule: Literal["nft", "nft_late", "awm"] = "nft"
    tempflow: bool = False
    """Weigh transitions by their noise."""
    over_length: bool = False
    """Divide each transition's loss by |dt| (an option of GRPO-Guard)."""


@dataclass(frozen=True, slots=True)
class AdvantageConfig:
    """From scores to advantages."""

    scale_rewards: Scale = "batch"
    adv_clip: float = 5.0
    clip_text: bool = True
    """Whether the clip holds for texts as well; AlphaGRPO clips images alone."""
    min_valid_generations: int = 2
    filter_zero_std: bool = False
    """Leave out groups whose members all score the same: nothing of them is trained, not even a divergence."""
    refill: int = 0
    """Times a group that teaches nothing is replaced by another prompt's."""
    rectify: Rectify = "floor"
    format_weight: float | None = None
    """Weight of the format reward; 1 for thinking before drawing, 0 for refinement, when not given."""
    aggregation: Aggregation = "sum_then_normalize"
    """How the reward and the format reward become one advantage."""
    credit: Literal["final", "per_round"] = "final"
    shuffle_rewards: bool = False
    """A control that must not learn: the scores of an update are shuffled among its trajectories."""


@dataclass(frozen=True, slots=True)
class RefineConfig:
    """What a refinement starts from."""

    init_images: int = 3
    choose: Literal["lowest", "softmin"] = "lowest"
    reflection: Literal["open", "assert_failure"] = "open"
    rounds: int = 1
    share: float = 1.0
    """Share of the groups that refine, in the mode `mixed`."""


@dataclass(frozen=True, slots=True)
class HeldOutConfig:
    """Evaluation during training, in ordinary run folders."""

    task: str = ""
    """The training task's name when not given."""
    task_args: Mapping[str, Any] = field(default_factory=dict)
    verifier: str = ""
    """Another verifier than the trained one, for R6 of the harness; the task's own when not given."""
    verifier_args: Mapping[str, Any] = field(default_factory=dict)
    same_verifier: bool = False
    """Let the verifier of the reward judge the held-out prompts too; only one that follows rules may without this."""
    limit: int | None = None
    num_images: int | None = None
    seed: int = 0
    batch_size: int = 64
    use_ema: bool = False
    """Whether the averaged weights are evaluated."""
    regress: str = ""
    """Understanding asked through lm-eval at every evaluation and compared with that before training: scenes-vqa, files
    of questions, or tasks of lm-eval. The command ends with 3 where the last of them does not pass."""
    margin: float = 1.0
    """Points of understanding that may be lost at most."""
    patience: int = 3
    """Evaluations in a row with the trained reward rising and the held-out one falling, after which training stops."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Train a model with the reward of a task."""

    model: str = "tiny"
    model_args: Mapping[str, Any] = field(default_factory=dict)
    task: str = "scenes"
    task_args: Mapping[str, Any] = field(default_factory=dict)
    verifier: str = ""
    """The task's own when not given."""
    verifier_args: Mapping[str, Any] = field(default_factory=dict)
    reward: str = ""
    """A kind of reward in the place of the task's own, such as readback; held-out evaluation keeps the task's."""
    reward_args: Mapping[str, Any] = field(default_factory=dict)
    require_calibration: float | None = None
    """Exit 3 before training where the verifier answers fewer questions about rendered scenes rightly (a share)."""
    output_dir: Path = Path("runs/train")
    mode: Literal["rt2i", "srr", "mixed"] = "rt2i"
    """Draw (or edit, where a sample has a source), refine a picture of one's own, or both in one update."""
    think: bool = False
    """Whether a text is written and trained before each drawing."""
    max_steps: int = 100
    """Updates."""
    prompts_per_step: int = 8
    num_generations: int = 8
    """Trajectories of a group."""
    num_iterations: int = 1
    """Optimiser steps on the same rollouts; with 1 the update is on-policy and no old log-probabilities are needed."""
    rollout_batch_size: int = 32
    """Trajectories drawn together."""
    per_device_train_batch_size: int = 32
    """Trajectories trained together."""
    learning_rate: float | None = None
    """3e-4 for adapters, 1e-5 for all weights, when not given."""
    learning_rate_understanding: float | None = None
    """Of the expert of words; `learning_rate` when not given."""
    lr_scheduler_type: Literal["constant", "linear"] = "constant"
    warmup_steps: int = 0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 1e-4
    max_grad_norm: float = 1.0
    lora_r: int = 32
    """Rank of the adapters; 0 trains all weights."""
    lora_alpha: int = 64
    ema_decay: float = 0.9
    """0 keeps no average."""
    ema_every: int = 8
    gradient_checkpointing: bool = False
    """Keep only what enters each layer, and compute the layer again on the way back: less memory, a third more time."""
    bf16: bool = False
    """Compute in bfloat16; trained weights stay in float32."""
    seed: int = 0
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    text: TextConfig = field(default_factory=TextConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    advantage: AdvantageConfig = field(default_factory=AdvantageConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    held_out: HeldOutConfig = field(default_factory=HeldOutConfig)
    eval_steps: int = 0
    """Updates between held-out evaluations; 0 makes none."""
    save_steps: int = 50
    save_total_limit: int = 2
    parity_steps: int = 50
    """Updates between checks that a replay gives the log-probabilities of the rollout."""
    sample_steps: int = 25
    """Updates between saved grids of samples; 0 saves none."""
    max_nan_steps: int = 3
    """Updates in a row without a finite gradient after which training stops."""
    max_unscored: float = 0.2
    """Share of an update's trajectories without a score at which training saves and stops."""
    device: str = "cpu"
    report_to: tuple[str, ...] = ()
    """tensorboard or wandb, through accelerate."""
