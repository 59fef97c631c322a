"""Evaluation during training: an ordinary run folder of kind held_out, on prompts and a verifier kept apart (R6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.assemble import Assembly, Job, build_reward, build_verifier, choose_plan, load_task
from harness.eval_command import begin, carry_out, keys
from harness.eval_config import EvalConfig
from harness.identity import describe, task_hash
from harness.model import Model
from harness.run_folder import RunStore
from tasks.sample import Sample
from trainer.train_config import TrainConfig


def held_out_job(config: TrainConfig, trained: Sequence[Sample], verifier_id: str) -> tuple[Job, list[str]]:
    """What is asked of the policy during training, and warnings; ValueError where a prompt is trained on as well."""
    section = config.held_out
    task = load_task(section.task or config.task, section.task_args)
    samples, images, plan = choose_plan(task, section.num_images, section.seed, section.limit, ())
    both = {one.request.prompt for one in samples} & {one.request.prompt for one in trained}
    if both and task_hash(samples) == task_hash(trained):
        raise ValueError(f"the held-out task {task.name!r} holds the prompts that are trained on; name another split")
    verifier = build_verifier(section.verifier or task.reward.verifier, section.verifier_args)
    warnings = []
    if both:
        warnings.append(f"{len(both)} held-out prompts are trained on as well")
    if verifier.id == verifier_id:
        warnings.append("the held-out verifier is the one that training sees; it cannot show reward hacking")
    return Job(task, samples, images, plan, section.seed, verifier, build_reward(task, verifier)), warnings


def evaluate_policy(
    job: Job,
    model: Model,
    config: TrainConfig,
    out: Path,
    training: Mapping[str, Any],
    place: tuple[int, int],
) -> dict[str, Any] | None:
    """results.json of the policy after some updates; None in the processes that did not finish the run."""
    settings = EvalConfig(
        model=config.model,
        model_args=json.dumps(dict(config.model_args)),
        task=job.task.name,
        task_args=json.dumps(dict(config.held_out.task_args)),
        verifier=config.held_out.verifier or None,
        output_path=out,
        seed=job.seed,
        batch_size=config.held_out.batch_size,
        device=config.device,
        verbosity="quiet",
    )
    assembly = Assembly(job, model)
    store = RunStore(out, *place)
    store.probe()
    flags = {**asdict(settings), "output_path": str(out)}
    run = {**describe(assembly, flags, ["train"]), "kind": "held_out", "training": dict(training)}
    record = carry_out(settings, assembly, store, begin(settings, store, run, keys(assembly)))
    return None if record is None else dict(record.results)


def headline(results: Mapping[str, Any]) -> float | None:
    """The held-out score, or None where it is withheld."""
    value = results["metrics"][0]["value"] if results["headline"] is not None else None
    return None if value is None else float(value)


def hacked(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Whether the trained reward rose and the held-out score fell in each of the last `patience` evaluations."""
    recent = history[-patience - 1 :]
    if patience < 1 or len(recent) <= patience:
        return False
    pairs = pairwise(recent)
    return all(after["reward"] > before["reward"] and after["held_out"] < before["held_out"] for before, after in pairs)
