"""What a command line asks for: the tasks, the part of each, who answers, and where the runs go."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from harness.arguments import fill, parse_arguments
from harness.assemble import Job, build_reward, build_verifier, choose_plan, load_task, rewarded
from harness.eval_config import EvalConfig
from harness.model import Cell, Model
from harness.shown import check_pictures, stood_in
from harness.unscored import Nobody, Unscored
from reward.cache import ReplyCache
from reward.cached_verifier import CachedVerifier
from reward.verifier import VERIFIERS, Verifier
from tasks.registry import find_module
from tasks.sample import Sample
from tasks.task import Task

RECORDED = "recorded"
"""The mode of a verifier that looks at no picture."""
SELF = "self"
"""The verifier that is the model which draws."""


def task_names(config: EvalConfig) -> list[str]:
    """The tasks asked for, each once."""
    names = list(dict.fromkeys(name.strip() for name in config.task.split(",") if name.strip()))
    if not names:
        raise ValueError("--task names no task; `harness ls tasks` prints the choices")
    return names


def output_folder(config: EvalConfig, name: str, several: bool) -> Path:
    """Where a task's run is written."""
    own = f"{name}-{config.model}{manner(config)}".replace("/", "_")
    if config.output_path is None:
        return Path("runs") / own
    return config.output_path / own if several else config.output_path


def manner(config: EvalConfig) -> str:
    """`-reason-refine1-self`: what keeps the folders of several ways to make pictures apart."""
    thinks = "-reason" if config.reason else ""
    return thinks + (f"-refine{config.refine}-{config.gate or 'all'}" if config.refine else "")


def chosen(config: EvalConfig, name: str) -> tuple[Task, tuple[Sample, ...], int, tuple[Cell, ...]]:
    """A task by name, the part of it that is asked for, and the plan."""
    task = load_task(name, parse_arguments(config.task_args))
    if config.reward:
        task = rewarded(task, config.reward, parse_arguments(config.reward_args))
    ids = [one.strip() for one in config.samples.split(",") if one.strip()]
    edited = next((sample.id for sample in task.samples if sample.request.sources), None)
    if config.refine and edited is not None:
        raise ValueError(
            f"--refine looks at pictures drawn from a prompt alone, and task {task.name!r} edits images ({edited})"
        )
    return task, *choose_plan(task, config.num_images, config.seed, config.limit, ids)


def prepare(config: EvalConfig, name: str) -> Job:
    """A task, its plan, its verifier and its reward, by name; a model that judges itself comes later (`judged`)."""
    task, samples, images, plan = chosen(config, name)
    if config.predict_only or scorer(config, task) == SELF:
        check_pictures(task, samples)
        return Job(task, samples, images, plan, config.seed, Nobody(), Unscored())
    verifier = open_verifier(config, scorer(config, task))
    if verifier.record.get("mode") == RECORDED:
        samples = tuple(stood_in(one) for one in samples)
    check_pictures(task, samples)
    return Job(task, samples, images, plan, config.seed, verifier, build_reward(task, verifier))


def scorer(config: EvalConfig, task: Task) -> str:
    """The name of the verifier that scores."""
    return config.verifier or task.reward.verifier


def judged(config: EvalConfig, job: Job, model: Model) -> Job:
    """The job with its verifier and reward, where the model that draws also answers; others are as they were."""
    if config.predict_only or scorer(config, job.task) != SELF:
        return job
    from harness.verifier_self import Arguments, itself  # torch, which no other run needs here

    bounds(config, SELF)
    fill(Arguments, parse_arguments(config.verifier_args), f"verifier {SELF!r}")
    verifier = kept(config, itself(model))
    return replace(job, verifier=verifier, reward=build_reward(job.task, verifier))


def open_verifier(config: EvalConfig, name: str) -> Verifier:
    """A verifier within its budget and before the cache, where the flags give these."""
    return kept(config, build_verifier(name, {**parse_arguments(config.verifier_args), **bounds(config, name)}))


def bounds(config: EvalConfig, name: str) -> dict[str, float]:
    """The budget that the flags give; ValueError where the verifier knows none."""
    budget = {"max_calls": config.max_calls, "max_cost": config.max_cost}
    given = {limit: value for limit, value in budget.items() if value is not None}
    if given:
        check_budget(name, next(iter(given)))
    return given


def kept(config: EvalConfig, verifier: Verifier) -> Verifier:
    """The verifier before the cache, where there is one."""
    return verifier if config.use_cache is None else cached(verifier, config.use_cache)


def check_budget(name: str, limit: str) -> None:
    """ValueError where a verifier knows no budget."""
    arguments = vars(find_module("verifier", name, VERIFIERS)).get("Arguments")
    if arguments is None or limit not in (one.name for one in fields(arguments)):
        flag = limit.replace("_", "-")
        raise ValueError(f"--{flag} bounds what is asked of a server (http, http-batch); verifier {name!r} asks none")


def cached(verifier: Verifier, folder: Path) -> Verifier:
    """The verifier before the replies that are kept in a folder; recorded answers cost nothing and need none.

    They also depend on what a question is asked for, which no key holds.
    """
    if verifier.record.get("mode") == RECORDED:
        return verifier
    cache = ReplyCache(folder)
    cache.open()
    return CachedVerifier(verifier, cache)
