"""Puts a run together: task, model, verifier and reward by name. The only caller of a reward's `build`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from harness.arguments import fill
from harness.model import MODELS, Cell, Model, Setting
from harness.plan import choose, make_plan
from reward.ability import check_task
from reward.asking import asked
from reward.reward import REWARDS, Reward
from reward.several import Several, own_verifiers
from reward.verifier import VERIFIERS, Verifier
from tasks.registry import TASKS, find_module, unknown
from tasks.sample import Sample
from tasks.task import RewardSpec, Task

OVER_IMAGES = ("mean", "mean of tags", "weighted tags")
"""Headlines over the scores of images, whatever reward gave them."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked and how it is judged: all of a run but its model."""

    task: Task
    samples: tuple[Sample, ...]
    images: int
    plan: tuple[Cell, ...]
    seed: int
    verifier: Verifier
    reward: Reward


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything a run needs."""

    job: Job
    model: Model
    understand: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    """Asks what the model understands, where a run is to know"""


def open_module(kind: str, name: str, registry: Mapping[str, str], given: Mapping[str, Any], maker: str) -> Any:
    """The module's function that makes the thing, and the module's `Arguments` filled; ValueError if it has none."""
    module = find_module(kind, name, registry)
    try:
        make, arguments = vars(module)[maker], vars(module)["Arguments"]
    except KeyError as error:
        raise ValueError(f"the module {module.__name__} is no {kind}: it has no {error.args[0]}") from None
    return partial(make, fill(arguments, given, f"{kind} {name!r}"))


def load_task(name: str, arguments: Mapping[str, Any]) -> Task:
    """A task by its registered or dotted name, or by the name of a question file, which ends in .jsonl."""
    if name.endswith(".jsonl"):
        return load_task("questions", {"path": name, **arguments})
    task: Task = open_module("task", name, TASKS, arguments, "load")()
    return asked(task)


def rewarded(task: Task, kind: str, arguments: Mapping[str, Any]) -> Task:
    """The task with another reward than its own: a kind, and what is said of it over its `SPEC`.

    How the task's own answers become its figure goes with its reward; tags and their weights stay.
    """
    spec: RewardSpec = find_module("reward", kind, REWARDS).SPEC
    known = [one.name for one in fields(RewardSpec) if one.name not in ("kind", "verifier")]
    for name in arguments:
        if name not in known:
            raise ValueError(unknown("argument of a reward", name, known))
    changed = replace(task, reward=replace(spec, verifier=task.reward.verifier, **arguments), scale=1.0, offset=0.0,
                      decimals={}, answer_tags=False, missing="exclude")  # fmt: skip
    return asked(changed if task.headline in OVER_IMAGES else replace(changed, headline="mean", weights={}))


def build_verifier(name: str, arguments: Mapping[str, Any]) -> Verifier:
    """A verifier by its registered or dotted name."""
    verifier: Verifier = open_module("verifier", name, VERIFIERS, arguments, "build")()
    return verifier


def build_model(name: str, arguments: Mapping[str, Any], setting: Setting) -> Model:
    """A model by its registered or dotted name, or a checkpoint of a training run as `run:FOLDER@STEP`."""
    kind, sign, place = name.partition(":")
    if sign and kind in MODELS:
        name, arguments = kind, {"path": place, **arguments}
    model: Model = open_module("model", name, MODELS, arguments, "build")(setting)
    return model


def build_reward(task: Task, verifier: Verifier) -> Reward:
    """The reward that a task asks for, over this verifier; ValueError for one that answers none of its questions."""
    named = {part: build_verifier(*one) for part, one in own_verifiers(task.reward).items()}
    module = find_module("reward", task.reward.kind, REWARDS)
    asking = Several(verifier, named) if named else verifier
    reward: Reward = module.build(task.reward, asking)
    check_task(task, asking)
    return reward


def choose_plan(
    task: Task, num_images: int | None, seed: int, limit: float | None, ids: Sequence[str]
) -> tuple[tuple[Sample, ...], int, tuple[Cell, ...]]:
    """The samples of a run, images of each, and every image with its seed."""
    samples = choose(task, limit, ids)
    images = task.images if num_images is None else num_images
    if images < 1:
        raise ValueError(f"--num-images must be at least 1, not {images}")
    return samples, images, make_plan(samples, images, seed)
