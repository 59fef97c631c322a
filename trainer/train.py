"""The training loop: explore, score, compare within groups, step; evaluate, check and save when due."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

from harness.ending import NumericAbort, Outage, Preempted
from harness.guards import guards
from trainer.adapter import swapped
from trainer.collect import collect
from trainer.diversity import near_duplicates
from trainer.held_out import evaluate_policy, hacked, headline
from trainer.marks import Batch
from trainer.parity import check_parity
from trainer.run import Run, save
from trainer.scarcity import told_scarcity
from trainer.update import accumulate, take_step, useful


def train(run: Run, stopped: Callable[[], bool] = lambda: False) -> str:
    """Runs the updates that are left; gives why it ended. Everything is saved when this returns or raises."""
    config, progress, resumed = run.config, run.progress, True
    if before := hold_out(run):
        run.log.add(progress.step, before, {})
    while progress.step < config.max_steps:
        step = progress.step
        with told_scarcity(config, "rollout"):
            batch = collect(run.ground, step)
        refuse_outage(run, batch)
        with told_scarcity(config, "update"):
            if resumed or (config.parity_steps and step % config.parity_steps == 0):
                resumed = not gate(run, batch)
            figures, seconds = learn(run, batch)
        progress.step += 1
        progress.recent += [figures["reward"]] if "reward" in figures else []
        if config.sample_steps and step % config.sample_steps == 0:
            figures |= show(run, batch, step)
        held_out = hold_out(run)
        run.log.add(progress.step, {**figures, **held_out}, seconds)
        if progress.step % config.save_steps == 0 or progress.step == config.max_steps:
            save(run)
        if run.launch.any(stopped()):
            save(run)
            raise Preempted
        if hacked(progress.history, config.held_out.patience):
            save(run)
            return "the trained reward rose while the held-out score fell"
    return "all updates are done"


def gate(run: Run, batch: Batch) -> bool:
    """The parity gate, on the first trajectories of this process; whether there were any."""
    whole = [one.trajectory for one in batch.lessons if one.trajectory.generation.response is not None]
    if whole:
        check_parity(run.policy, whole, run.config)
    return bool(whole)


def refuse_outage(run: Run, batch: Batch) -> None:
    """Saves and stops where too many trajectories have no score (method.md 9.4)."""
    if batch.unscored > run.config.max_unscored:
        save(run)
        raise Outage(
            f"{batch.unscored:.0%} of the trajectories of update {run.progress.step} have no score, more than "
            f"max_unscored {run.config.max_unscored:.0%}; the state before it is saved"
        )


def learn(run: Run, batch: Batch) -> tuple[dict[str, float], dict[str, float]]:
    """The optimiser steps on one batch; gives figures and seconds."""
    config, progress, start = run.config, run.progress, time.perf_counter()
    lessons = useful(batch.lessons, config)
    figures: dict[str, float] = {}
    schedule(run)
    for iteration in range(config.num_iterations):
        if not run.launch.any(bool(lessons)):  # every advantage is 0: no step, not even of weight decay
            progress.skipped += 1
            break
        sums = accumulate(
            run.policy, run.masters, lessons, config, run.averages, max(1, batch.scored), aligned=iteration == 0
        )
        good, norm = take_step(run.policy, run.masters, run.optimiser, config, sums)
        figures = {**means(run, sums), "grad_norm": norm}
        count_failures(run, good)
        if good:
            run.averages.follow(run.masters.tensors, config, run.policy.version)
    figures |= {"lr": run.optimiser.param_groups[0]["lr"], "skipped": float(progress.skipped)}
    seconds = {**batch.seconds, "update_seconds": time.perf_counter() - start}
    return {**batch.figures, **figures}, seconds


def means(run: Run, sums: dict[str, float]) -> dict[str, float]:
    """Means over the trajectories of all processes."""
    together: dict[str, float] = {}
    for one in run.launch.gather([sums]):
        for name, value in one.items():
            together[name] = together.get(name, 0.0) + value
    counts = {name: together[f"{name}.count"] for name in together if f"{name}.count" in together}
    return {name: together[name] / count for name, count in counts.items() if count}


def count_failures(run: Run, good: bool) -> None:
    """Counts updates without a finite gradient; NumericAbort after too many in a row (method.md 9.3)."""
    run.progress.nan_steps = 0 if good else run.progress.nan_steps + 1
    if run.progress.nan_steps > run.config.max_nan_steps:
        save(run)
        raise NumericAbort(
            f"{run.progress.nan_steps} updates in a row had a loss or a gradient that is no number; "
            "a smaller learning_rate or clip range may help"
        )


def schedule(run: Run) -> None:
    """The learning rate of this update: warm-up, then constant or a line to zero."""
    config, step = run.config, run.progress.step
    share = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.lr_scheduler_type == "linear":
        share *= 1.0 - step / config.max_steps
    for group in run.optimiser.param_groups:
        group["lr"] = group["peak"] * share


def hold_out(run: Run) -> dict[str, float]:
    """The held-out score where it is due: before the first update, every `eval_steps`, after the last."""
    config, progress = run.config, run.progress
    if run.held_out is None or any(one["step"] == progress.step for one in progress.history):
        return {}
    if progress.step % config.eval_steps and progress.step < config.max_steps:
        return {}
    weights = run.averages.ema if config.held_out.use_ema else {}
    training = {**run.origin, "reward": run.ground.reward.id, "task": config.task, "updates": progress.step,
                "use_ema": config.held_out.use_ema}  # fmt: skip
    with swapped(run.policy.parameters(), weights) if weights else nullcontext():
        model = run.policy.as_model(progress.step)
        out = run.out / "held_out" / f"step-{progress.step:06d}"
        place = (run.launch.rank, run.launch.processes)
        found = evaluate_policy(run.held_out, model, config, out, training, place)
    scores = [one for one in run.launch.gather([None if found is None else headline(found)]) if one is not None]
    if not scores:
        return {}
    rewards, progress.recent = progress.recent, []
    trained = sum(rewards) / len(rewards) if rewards else float("-inf")
    progress.history.append({"step": progress.step, "reward": trained, "held_out": scores[0]})
    return {"held_out": scores[0]}


def show(run: Run, batch: Batch, step: int) -> dict[str, float]:
    """Saves a grid of this process's pictures; gives what their pixels tell without a verifier (R6)."""
    shown = [
        (one.trajectory.situation.group, one.trajectory.generation.response.image)
        for one in batch.lessons[: 4 * run.config.num_generations]
        if one.trajectory.generation.response is not None
    ]
    run.log.samples(step, [picture for _, picture in shown], run.config.num_generations)
    found = [guards(picture) for _, picture in shown]
    if not found:
        return {}
    names = ("entropy", "dark", "edges", "saturation")
    told = {f"guard.{name}": sum(one[name] for one in found) / len(found) for name in names}
    alike = near_duplicates([one["hash"] for one in found], [group for group, _ in shown])
    return told if alike is None else {**told, "guard.near_duplicates": alike}
