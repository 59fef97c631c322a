"""Evaluation during training: an ordinary run folder of kind held_out, on prompts and a verifier kept apart (R6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.assemble import Assembly, Job, build_reward, build_verifier, choose_plan, load_task
from harness.eval_command import asking, begin, carry_out, keys
from harness.eval_config import EvalConfig
from harness.identity import describe, task_hash
from harness.model import Model
from harness.regression import FILE
from harness.run_folder import RunStore
from reward.verifier import Verifier
from tasks.sample import Sample
from trainer.overlap import prompt_overlap
from trainer.train_config import TrainConfig

FIRST = "step-000000"
"""The evaluation before the first update."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What is asked of the policy during training, and how far it stands apart from what is trained."""

    job: Job
    facts: Mapping[str, Any]
    """reward_verifier, prompt_overlap, self_verified, as run.json keeps them"""
    warnings: tuple[str, ...]


def held_out_job(config: TrainConfig, trained: Sequence[Sample], trainer: Verifier) -> HeldOut:
    """The held-out evaluation of a training that asks this verifier; ValueError where it would not be held out."""
    section = config.held_out
    task = load_task(section.task or config.task, section.task_args)
    samples, images, plan = choose_plan(task, section.num_images, section.seed, section.limit, ())
    both = {one.request.prompt for one in samples} & {one.request.prompt for one in trained}
    if both and task_hash(samples) == task_hash(trained):
        raise ValueError(f"the held-out task {task.name!r} holds the prompts that are trained on; name another split")
    verifier = build_verifier(section.verifier or task.reward.verifier, section.verifier_args)
    overlap = prompt_overlap([one.request.prompt for one in samples], [one.request.prompt for one in trained])
    same = who(verifier) == who(trainer)
    if same and verifier.record.get("mode") != "rule" and not section.same_verifier:
        raise ValueError(
            f"the held-out verifier is the one that training sees, {who(verifier)}, and cannot show reward hacking; "
            "name another in held_out.verifier, or set held_out.same_verifier=true to go on and have it recorded"
        )
    told = {"exact": "trained on as well", "near": "nearly the same as trained ones"}
    warnings = [f"{overlap[kind]} held-out prompts are {what}" for kind, what in told.items() if overlap[kind]]
    if same:
        warnings.append("the held-out verifier is the one that training sees; it cannot show reward hacking")
    facts = {"reward_verifier": trainer.id, "prompt_overlap": overlap, "self_verified": same}
    job = Job(task, samples, images, plan, section.seed, verifier, build_reward(task, verifier))
    return HeldOut(job, facts, tuple(warnings))


def who(verifier: Verifier) -> str:
    """Who answers: the model that a server says it serves, or what the verifier calls itself."""
    return str(verifier.record.get("served_id") or verifier.id)


def evaluate_policy(
    job: Job,
    model: Model,
    config: TrainConfig,
    out: Path,
    training: Mapping[str, Any],
    place: tuple[int, int],
) -> dict[str, Any] | None:
    """results.json of the policy after some updates; None in the processes that did not finish the run."""
    before = config.output_dir / "held_out" / FIRST
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
        regress=config.held_out.regress,
        baseline=before if out != before and (before / FILE).is_file() else None,
        margin=config.held_out.margin,
    )
    assembly = Assembly(job, model, asking(settings, model))
    store = RunStore(out, *place)
    store.probe()
    flags = {**asdict(settings), "output_path": str(out), "baseline": str(settings.baseline or "")}
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
