"""Two runs of one task against each other, paired by prompt, image and question (harness.md 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.change import Change
from harness.headline import Rule, Value, image_value, planned_values, rule_of
from harness.missing import counted
from harness.paired import change_of, kept_values
from harness.statistics import detectable_paired
from harness.stored_run import StoredRun
from harness.summary import planned_rows
from leaderboards.agreement import PAIRED, differing, facts
from leaderboards.answers import Answers
from tasks.task import OVER_ANSWERS


@dataclass(frozen=True, slots=True)
class Contrast:
    """One task: the headline, its tags, and what else changed."""

    task: str
    headline: Change
    tags: tuple[Change, ...]
    same_seeds: bool
    gained: int
    lost: int
    """Images whose score rose and fell."""
    equal: int
    answers: Mapping[str, int]
    """Questions by how their answer turned; empty where verdicts were not kept."""

    @property
    def detectable(self) -> float | None:
        """The difference that this comparison finds with 80 % power."""
        error = self.headline.difference.se
        return None if error is None else detectable_paired(error)


def contrast(before: StoredRun, after: StoredRun) -> Contrast:
    """The comparison of two runs; ValueError names the first field in which they must not differ and do."""
    told = differing(facts(before.run), facts(after.run), PAIRED)
    if told:
        raise ValueError(f"{before.path} and {after.path} cannot be compared: {told}")
    sides = [Answers.read(one.path) for one in (before, after)]
    values = [headline_values(one, answers) for one, answers in zip((before, after), sides, strict=True)]
    same_seeds = before.run["seed"] == after.run["seed"] and before.run["seed_rule"] == after.run["seed_rule"]
    rule, metric = rule_of(before.run["task"]), before.results["metrics"][0]
    low, high = metric["range"]
    scores = list(zip(*([one.value for one in some] for some in image_scores(before, after)), strict=True))
    both = [(one, other) for one, other in scores if one is not None and other is not None]
    return Contrast(
        before.name,
        change_of(metric["name"], values, rule, (low, high), not same_seeds),
        tag_lines(before.run["task"], values, rule, (low, high), not same_seeds),
        same_seeds,
        sum(other > one for one, other in both),
        sum(other < one for one, other in both),
        sum(other == one for one, other in both),
        sides[0].turned(sides[1]),
    )


def image_scores(*runs: StoredRun) -> list[list[Value]]:
    """The score of every planned image of each run, in the plan's order."""
    return [
        [image_value("score", one.run, row) for row in planned_rows(one.run, list(one.rows().values()))] for one in runs
    ]


def headline_values(run: StoredRun, answers: Answers) -> list[Value]:
    """What the headline averages, in the plan's order: images, or single answers."""
    rows = planned_rows(run.run, list(run.rows().values()))
    if run.run["task"]["headline"] in OVER_ANSWERS:
        return answers.values(run.run, rows)
    taken, _ = counted(run.run, rows, ())
    return planned_values(run.results["metrics"][0]["name"], run.run, taken)


def tag_lines(
    task: Mapping[str, Any], values: Sequence[Sequence[Value]], rule: Rule, span: tuple[float, float], by_prompt: bool
) -> tuple[Change, ...]:
    """The same figure under each tag; a tag in which the runs have nothing in common is left out."""
    tags = sorted({*task["tags"], *rule.weights})
    within = Rule("pooled") if task["headline"] in OVER_ANSWERS else Rule()
    found = []
    for tag in tags:
        some = [[value for value in side if tag in value.tags] for side in values]
        if kept_values(some)[0]:
            found.append(change_of(tag, some, within, span, by_prompt))
    return tuple(found)
