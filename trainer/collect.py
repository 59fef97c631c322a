"""What an update learns from: groups explored and scored, shaped, and turned into advantages.

Every process works on its own rows of the plan; scores are gathered, so that advantages are those of the whole update.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from reward.reward import Reward
from reward.verdict import Score
from tasks.key import key
from tasks.sample import Generation, Request, Response, Sample
from trainer.grade import all_advantages, grade, level_groups, shape
from trainer.launch import Launch
from trainer.marks import Batch, Marked
from trainer.plan import Group, own, plan_step, refill, share
from trainer.policy import Policy
from trainer.shaping import format_reward
from trainer.train_config import TrainConfig
from trainer.trajectory import Situation, Trajectory

ERRORS = 0.05
"""Share of trajectories without an answer from which they are asked for again after a pause."""
PAUSES = (1.0, 3.0, 9.0)
PASSING = ("transport_error", "timeout")
"""Failures that another try may mend."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What exploring needs: the policy, the prompts, and how they are judged."""

    policy: Policy
    samples: dict[str, Sample]
    reward: Reward
    launch: Launch
    config: TrainConfig


def collect(ground: Ground, step: int) -> Batch:
    """The batch of one update."""
    config = ground.config
    prompts = tuple(ground.samples)
    groups = plan_step(prompts, config.seed, step, config.prompts_per_step)
    trajectories, marks, seconds = explore(ground, groups)
    for _ in range(config.advantage.refill):
        poor = teachless(marks, config)
        if not poor:
            break
        fresh = [refill(group, prompts) for group in groups if group in poor]
        groups = [group for group in groups if group not in poor] + fresh
        more, more_marks, more_seconds = explore(ground, fresh)
        trajectories = [one for one in trajectories if one.situation.group not in poor] + more
        marks = [one for one in marks if one.group not in poor] + more_marks
        seconds = {name: value + more_seconds[name] for name, value in seconds.items()}
    if config.advantage.shuffle_rewards:
        marks = shuffled(marks, config.seed, step)
    return grade(config, trajectories, marks, seconds)


def explore(ground: Ground, groups: Sequence[Group]) -> tuple[list[Trajectory], list[Marked], dict[str, float]]:
    """This process's trajectories of some groups, and the marks of all processes' in the plan's order."""
    config, launch = ground.config, ground.launch
    rows = [(group, member) for group in groups for member in range(config.num_generations)]
    places = share(len(rows), launch.rank, launch.processes)
    mine = own(len(rows), launch.rank, launch.processes)
    start = time.perf_counter()
    situations = situate(ground, list(dict.fromkeys(rows[place][0] for place in places)))
    wanted = [(situations[rows[place][0]], rows[place][1]) for place in places]
    trajectories: list[Trajectory] = []
    waiting: list[Future[list[Marked]]] = []
    with ThreadPoolExecutor(1, "score") as judge:  # one chunk is judged while the next is drawn, by the same policy
        for begin in range(0, len(wanted), config.rollout_batch_size):
            done = ground.policy.explore(wanted[begin : begin + config.rollout_batch_size])
            trajectories += done
            waiting.append(judge.submit(mark, ground, done))
        drawn = time.perf_counter()
        marks = [one for future in waiting for one in future.result()]
    seconds = {"rollout_seconds": drawn - start, "reward_seconds": time.perf_counter() - drawn}
    everyone = launch.gather(marks[:mine])
    return trajectories[:mine], everyone, seconds


def situate(ground: Ground, groups: Sequence[Group]) -> dict[Group, Situation]:
    """The condition of each group; a refinement starts from a picture drawn and scored first."""
    plain = {
        group: Situation(group, ground.samples[group.prompt], ground.samples[group.prompt].request) for group in groups
    }
    refined = [group for group in groups if refines(ground.config, group)]
    if not refined:
        return plain
    count = ground.config.refine.init_images
    sketches = ground.policy.sketch([plain[group] for group in refined], count)
    flat = [
        Generation(plain[group].sample, group.noise_seed(-1 - number, 0), Response(picture))
        for group, pictures in zip(refined, sketches, strict=True)
        for number, picture in enumerate(pictures)
    ]
    scores = ask(ground.reward, flat)
    for place, group in enumerate(refined):
        own_scores = [one.value for one in scores[place * count : (place + 1) * count]]
        chosen = choose(ground.config, group, own_scores)
        prompt = plain[group].request.prompt
        picture = sketches[place][chosen if chosen is not None else 0]
        first = None if chosen is None else own_scores[chosen]
        plain[group] = replace(plain[group], request=Request(prompt, (picture,)), refine=True, first=first)
    return plain


def refines(config: TrainConfig, group: Group) -> bool:
    """Whether a group refines a picture of the policy's own."""
    if config.mode == "mixed":
        return key("mode", group.seed, group.step, group.slot, group.attempt) / 2**64 < config.refine.share
    return config.mode == "srr"


def choose(config: TrainConfig, group: Group, scores: Sequence[float | None]) -> int | None:
    """Which of the first pictures is refined: the lowest scored, or one drawn by exp(1 - r); None if none is scored."""
    known = [place for place, score in enumerate(scores) if score is not None]
    if not known:
        return None
    values = np.array([scores[place] for place in known], dtype=np.float64)
    if config.refine.choose == "lowest":
        return known[int(values.argmin())]
    mass = np.exp(1.0 - values).cumsum()
    draw = key("first", group.seed, group.step, group.slot, group.attempt) / 2**64 * mass[-1]
    return known[min(int(np.searchsorted(mass, draw, side="right")), len(known) - 1)]


def mark(ground: Ground, trajectories: Sequence[Trajectory]) -> list[Marked]:
    """The scores of trajectories, and of the pictures before the last where each round has its own credit."""
    rounds = [[one.generation] for one in trajectories]
    if ground.config.advantage.credit == "per_round":
        rounds = [[*drafts(one), one.generation] for one in trajectories]
    scores = iter(ask(ground.reward, [one for several in rounds for one in several]))
    found = []
    for trajectory, several in zip(trajectories, rounds, strict=True):
        own_scores = [next(scores) for _ in several]
        response, situation = trajectory.generation.response, trajectory.situation
        found.append(
            Marked(
                situation.group,
                trajectory.member,
                tuple(one.value for one in own_scores),
                situation.first,
                situation.refine,
                format_reward(response.thought) if response else 0.0,
                tuple(own_scores[-1].parts.items()),
            )
        )
    return found


def drafts(trajectory: Trajectory) -> list[Generation]:
    """The pictures of the rounds before the last, each as a generation of its own."""
    generation = trajectory.generation
    if generation.response is None:
        return []
    return [replace(generation, response=Response(one.image)) for one in generation.response.drafts]


def ask(reward: Reward, generations: Sequence[Generation]) -> list[Score]:
    """Scores; where many failed in passing, those are asked for again after pauses that grow."""
    scores = reward.score(generations)
    for pause in PAUSES:
        failed = [place for place, score in enumerate(scores) if score.status in PASSING]
        if len(failed) <= ERRORS * len(scores):
            break
        time.sleep(pause * random.uniform(0.5, 1.5))
        for place, score in zip(failed, reward.score([generations[place] for place in failed]), strict=True):
            scores[place] = score
    return scores


def teachless(marks: Sequence[Marked], config: TrainConfig) -> set[Group]:
    """Groups with too few scores, and where they are filtered those in which nobody is better than another."""
    scored = Counter(one.group for one in marks if one.rewards[-1] is not None)
    found = {one.group for one in marks if scored[one.group] < config.advantage.min_valid_generations}
    if config.advantage.filter_zero_std:
        found |= level_groups(marks, all_advantages(config, marks, shape(config, marks)))
    return found


def shuffled(marks: Sequence[Marked], seed: int, step: int) -> list[Marked]:
    """The same scores in another order: a control that must not learn."""
    order = sorted(range(len(marks)), key=lambda place: key("shuffle", seed, step, place))
    return [replace(one, rewards=marks[place].rewards) for one, place in zip(marks, order, strict=True)]
