"""Puts a training run together; what can be wrong in its configuration is told before a model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from harness.assemble import Job, build_model, build_reward, build_verifier, load_task, rewarded
from harness.bagel.guidance import Guidance
from harness.bagel.prompts import Prompts
from harness.bagel.unified import Unified
from harness.bagel.write import Sampling
from harness.examination import require_fit
from harness.model import Setting
from harness.model_bagel import PROMPTS
from harness.model_diffusers import DiffusersModel
from harness.model_tiny import SHIPPED
from reward.reward import Reward
from tasks.sample import Sample
from tasks.task import Task
from trainer.adapter import Low, compute_again
from trainer.averages import Averages, needed
from trainer.build_flow import flow_policy, model_arguments
from trainer.check import check_config, window_of
from trainer.collect import Ground
from trainer.held_out import held_out_job
from trainer.launch import Launch
from trainer.log import Log
from trainer.masters import Masters
from trainer.policy import Policy
from trainer.policy_unified import Rollout, UnifiedPolicy
from trainer.run import Progress, Run
from trainer.sampler import Sampler
from trainer.script import script_for
from trainer.shards import snapshot
from trainer.train_config import TrainConfig

ADAPTERS, WEIGHTS = 3e-4, 1e-5
"""Learning rates of method.md 7.2 for adapters and for all weights."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is trained on, without a model."""

    task: Task
    samples: tuple[Sample, ...]
    reward: Reward
    verifier_id: str
    held_out: Job | None
    warnings: tuple[str, ...]
    origin: Mapping[str, Any]
    """What held-out runs and checkpoints tell of the training: what it was on, and how far they stand apart from it"""


def training_task(config: TrainConfig) -> Task:
    """What is trained on, nobody asked yet; ValueError for a configuration that cannot be."""
    check_config(config)
    task = load_task(config.task, config.task_args)
    if config.reward:
        task = rewarded(task, config.reward, config.reward_args)
    bare = [sample.id for sample in task.samples if not sample.questions and task.reward.kind == "questions"]
    if bare or not task.samples:
        raise ValueError(f"task {task.name!r} has no questions to be rewarded for" + (f" ({bare[0]})" if bare else ""))
    return task


def build_assignment(config: TrainConfig) -> Assignment:
    """Task, reward and held-out evaluation; ValueError for a configuration that cannot be."""
    task = training_task(config)
    verifier = build_verifier(config.verifier or task.reward.verifier, config.verifier_args)
    if config.require_calibration is not None:
        require_fit(verifier, config.require_calibration)
    reward = build_reward(task, verifier)
    origin = {"trained_on": [f"{task.name} {task.split}".strip()], "reward_verifier": verifier.id}
    if not config.eval_steps:
        return Assignment(task, task.samples, reward, verifier.id, None, (), origin)
    apart = held_out_job(config, task.samples, verifier)
    return Assignment(task, task.samples, reward, verifier.id, apart.job, apart.warnings, {**origin, **apart.facts})


def build_policy(config: TrainConfig) -> Policy:
    """The policy over the model that the configuration names; ValueError for a model that cannot be trained."""
    given = model_arguments(config) if config.model == "diffusers" else config.model_args
    model = build_model(config.model, given, Setting(config.device))
    if isinstance(model, DiffusersModel):
        return flow_policy(config, model, build_sampler(config, 1.0))
    if isinstance(model, Unified):
        return unified_policy(config, model)
    raise ValueError(f"the model {config.model!r} cannot be trained: tiny, bagel and pipelines of diffusers can")


def build_sampler(config: TrainConfig, shift: float) -> Sampler:
    """The sampler section as the rollout reads it."""
    section = config.sampler
    low, high = section.guidance_interval
    guidance = Guidance(section.guidance_scale, section.image_guidance_scale, low, high, section.guidance_renorm)
    return Sampler(
        section.num_inference_steps,
        shift,
        section.kernel,
        section.eta,
        window_of(config),
        guidance,
        section.log_prob_scale,
        section.init_same_noise,
    )


def unified_policy(config: TrainConfig, model: Unified) -> UnifiedPolicy:
    """A policy that writes and draws."""
    low = Low(config.lora_r, config.lora_alpha) if config.lora_r else None
    sampler = build_sampler(config, model.drawing.shift if config.sampler.shift is None else config.sampler.shift)
    sampling = Sampling(config.text.temperature, config.text.top_p, config.text.max_completion_length)
    rollout = Rollout(sampler, sampling, config.refine.rounds, config.rollout_batch_size)
    prompts = read_prompts(config) if config.think or config.mode != "rt2i" else None
    script = script_for(model, prompts, config.think, config.refine.reflection)
    policy = UnifiedPolicy(model, script, rollout, low, config.seed, config.bf16)
    if config.gradient_checkpointing:
        compute_again(model.bagel)
    return policy


def read_prompts(config: TrainConfig) -> Prompts:
    """The fixed texts beside the model's weights, or the file that `prompts` of model_args names."""
    given = config.model_args.get("prompts")
    if given is not None:
        return Prompts.read(Path(given))
    if config.model == "bagel":  # the published checkpoint has none
        return Prompts.read(PROMPTS)
    folder = Path(config.model_args.get("weights") or config.model_args.get("path") or SHIPPED)
    return Prompts.read(folder / "prompts.json")


def build_optimiser(config: TrainConfig, policy: Policy, masters: Masters) -> torch.optim.Optimizer:
    """AdamW with one learning rate an expert."""
    rate = config.learning_rate or (ADAPTERS if config.lora_r else WEIGHTS)
    rates = {"generation": rate, "understanding": config.learning_rate_understanding or rate}
    groups = []
    for expert, peak in rates.items():
        own = [one for name, one in masters.tensors.items() if policy.kinds[name] == expert]
        if own:
            groups.append({"params": own, "lr": peak, "peak": peak, "expert": expert})
    betas = (config.adam_beta1, config.adam_beta2)
    return torch.optim.AdamW(groups, rate, betas, config.adam_epsilon, config.weight_decay)


def build_run(config: TrainConfig, assignment: Assignment, accelerator: Accelerator, quiet: bool = False) -> Run:
    """A run at its beginning."""
    torch.manual_seed(config.seed)
    config = replace(config, device=str(accelerator.device)) if config.device != "cpu" else config
    policy = build_policy(config)
    log = Log(config.output_dir, config.max_steps, accelerator, config.report_to, quiet)
    samples = {sample.id: sample for sample in assignment.samples}
    ground = Ground(policy, samples, assignment.reward, Launch(accelerator), config)
    return replace(put_together(config, ground, log), held_out=assignment.held_out, origin=assignment.origin)


def put_together(config: TrainConfig, ground: Ground, log: Log) -> Run:
    """A run of a policy that is there, without held-out evaluation: its masters, its optimiser, its slow copies."""
    policy = ground.policy
    masters = Masters(policy.parameters(), ground.launch)
    if policy.base is not None:  # split where the masters are
        policy.base = snapshot(masters.tensors) if "base" in needed(config) else {}
    averages = Averages.start(masters.tensors, config)
    optimiser = build_optimiser(config, policy, masters)
    return Run(config, ground, masters, None, optimiser, averages, log, Progress(), config.output_dir)


def learning_rates(run: Run) -> Sequence[str]:
    """One line a group of parameters: whose they are, how many, how fast they learn."""
    return [
        f"{group['expert']}: {sum(one.numel() for one in group['params']):,} parameters, rate {group['peak']:g}"
        for group in run.optimiser.param_groups
    ]
