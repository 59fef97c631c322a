"""How image scores or answers become one figure: over prompts, within tags and then over tags, or over all answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.interval import interval
from harness.statistics import Estimate, Tally, bounds, categories, overlapping, per_prompt, pooled, tally
from reward.reading import normalise
from reward.text_score import spread
from tasks.sample import Sample
from tasks.task import OVER_ANSWERS, OVER_TAGS, Task

Rows = Sequence[Mapping[str, Any]]
Span = tuple[float, float]
BELOW = " - "
"""What lies between a tag and a finer one: an answer with the tag `attribute - color` counts under `attribute` too."""
BESIDE = "; "
"""What lies between several tags of one question."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One headline: over prompts or all values, or with `weights` within each of these tags and then over them."""

    estimator: str = "per_prompt"
    """per_prompt, pooled or tags"""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of each tag; for `tags` alone"""
    decimals: int | None = None
    """Decimals that each tag's figure is rounded to, where released code does so"""


@dataclass(frozen=True, slots=True)
class Value:
    """One number to be averaged, None while it is missing, with its prompt and what it counts under."""

    prompt: str
    tags: tuple[str, ...]
    value: float | None


PER_PROMPT, POOLED = Rule(), Rule("pooled")
TEXT_SCORE = "text score"


def rule_of(task: Mapping[str, Any]) -> Rule:
    """The rule of a task as run.json keeps it."""
    if task["headline"] in OVER_TAGS:
        return Rule("tags", task["weights"], task["decimals"].get("tag"))
    return POOLED if task["headline"] in ("pooled", TEXT_SCORE) else PER_PROMPT


def tallies(values: Sequence[Value], rule: Rule) -> dict[str, Tally]:
    """Values by prompt: under each tag of the rule where it has tags, else all together."""
    if rule.estimator != "tags":
        return {"": tally([one.prompt for one in values], [one.value for one in values])}
    found: dict[str, tuple[list[str], list[float | None]]] = {tag: ([], []) for tag in sorted(rule.weights)}
    for one in values:
        for tag in one.tags:
            if tag in found:
                found[tag][0].append(one.prompt)
                found[tag][1].append(one.value)
    return {tag: tally(*pair) for tag, pair in found.items()}


def estimate(values: Sequence[Value], rule: Rule) -> tuple[Estimate, dict[str, Tally]]:
    """The figure and what it was made of; no value while a tag of the rule has none."""
    found = tallies(values, rule)
    if rule.estimator != "tags":
        return (pooled if rule.estimator == "pooled" else per_prompt)(found[""]), found
    prompts = [prompt for one in found.values() for prompt in one.prompts]
    several = len(set(prompts)) < len(prompts)
    figure = (overlapping if several else categories)(found, rule.weights)
    if rule.decimals is not None and figure.value is not None:
        rounded = math.fsum(rule.weights[tag] * round(one.rate, rule.decimals) for tag, one in found.items())
        figure = replace(figure, value=rounded)
    return figure, found


def metric(name: str, values: Sequence[Value], rule: Rule, span: Span = (0.0, 1.0)) -> dict[str, Any]:
    """One figure with all that belongs to it (harness.md 3.2), what is planned and scored, and the strict figure."""
    figure, found = estimate(values, rule)
    around = interval(figure, found, rule.weights or None, span)
    given = [one.value for one in values]
    ends = bounds(lambda filled: estimate(filled_in(values, filled), rule)[0].value, given, span)
    counted = tally([one.prompt for one in values], given)
    exists = figure.se is not None and figure.value is not None
    return {
        "name": name,
        "value": figure.value,
        "se": figure.se,
        "ci": None if around is None else asdict(around),
        "estimator": figure.estimator,
        "n": figure.n,
        "clusters": figure.clusters,
        "design_effect": effect(counted, figure.value or 0.0, figure.se or 0.0) if exists else None,
        "bounds": dict(zip(("low", "high"), ends, strict=True)),
        "strict": estimate(filled_in(values, [one or 0.0 for one in given]), rule)[0].value,
        "planned": len(values),
        "scored": sum(one is not None for one in given),
        "range": list(span),
        "higher_is_better": True,
        "warning": figure.warning or None,
        "pooled": short(pooled(counted)),
        "per_prompt": short(per_prompt(counted)),
    }


def filled_in(values: Sequence[Value], given: Sequence[float | None]) -> list[Value]:
    """The same prompts and tags with other numbers."""
    return [replace(one, value=value) for one, value in zip(values, given, strict=True)]


def effect(counted: Tally, value: float, error: float) -> float | None:
    """SE^2 over what it would be if single values were independent (harness.md 4.1); None when all are equal."""
    total = float(counted.counts.sum())
    spread = float(counted.squares.sum()) - 2 * value * float(counted.sums.sum()) + value * value * total
    return error * error * total * total / spread if spread > 1e-12 * total else None


def short(figure: Estimate) -> dict[str, float | None]:
    """Another estimator's value and error."""
    return {"value": figure.value, "se": figure.se}


def with_parents(tag: str) -> tuple[str, ...]:
    """All that a question's tag counts under: `attribute - color; small` under `attribute`, itself and `small`."""
    found = []
    for one in filter(None, tag.split(BESIDE)):
        found += [one] if BELOW not in one else [one.partition(BELOW)[0], one]
    return tuple(dict.fromkeys(found))


def headline_record(task: Task, samples: Sequence[Sample]) -> dict[str, Any]:
    """What run.json keeps so that the figures can be formed from the rows alone.

    A limited run has figures over the tags it asks for, with their weights made to sum to what all of them would.
    """
    tags = {tag for sample in samples for tag in tags_of(sample, task)}
    whole = task.weights or dict.fromkeys(sorted(tags), 1.0 / max(1, len(tags)))
    kept = {name: present(weights, tags) for name, weights in sorted(task.compounds.items())}
    return {
        "weights": present(whole, tags) if task.headline in OVER_TAGS else {},
        "compounds": {name: weights for name, weights in kept.items() if weights},
        "scale": task.scale,
        "offset": task.offset,
        "decimals": dict(task.decimals),
        "answers": {sample.id: asked(sample) for sample in samples} if counts_answers(task) else {},
    }


def counts_answers(task: Task) -> bool:
    """Whether single answers are counted, beside the images they make."""
    return task.answer_tags or task.headline in OVER_ANSWERS


def tags_of(sample: Sample, task: Task) -> set[str]:
    """All that a sample, or its answers where those are counted, can count under."""
    finer = {tag for one in sample.questions for tag in with_parents(one.tag)} if counts_answers(task) else set()
    return {*sample.tags, *finer}


def present(weights: Mapping[str, float], tags: Set[str]) -> dict[str, float]:
    """The weights of tags that are asked for, with the sum of all weights."""
    some = {tag: weight for tag, weight in weights.items() if tag in tags}
    if len(some) == len(weights):
        return some
    total = math.fsum(some.values())
    return {tag: weight * math.fsum(weights.values()) / total for tag, weight in some.items()}


def asked(sample: Sample) -> dict[str, list[str]]:
    """The ids of a sample's questions, by tag."""
    found: dict[str, list[str]] = {}
    for question in sample.questions:
        found.setdefault(question.tag, []).append(question.id)
    return found


def image_values(name: str, run: Mapping[str, Any], rows: Rows) -> list[Value]:
    """The score, or one part of it, of every image that can have it, on the task's scale."""
    whole = [
        row
        for row in rows
        if name == "score" or row["score"] is None or name in row["parts"]  # a scored image may lack a part by right
    ]
    return planned_values(name, run, whole)


def planned_values(name: str, run: Mapping[str, Any], rows: Rows) -> list[Value]:
    """The same of all these images; a score that a formula makes of all texts is each image's share in it."""
    values = [image_value(name, run, row) for row in rows]
    read = [place for place, row in enumerate(rows) if row["score"] is not None and row["parts"].get("words wanted")]
    if name != "score" or run["task"]["headline"] != TEXT_SCORE or not read:
        return values
    shares = spread([rows[place]["parts"] for place in read], float(run["reward"]["options"]["most"]))
    for place, share in zip(read, shares, strict=True):
        values[place] = replace(values[place], value=on_scale(run, share))
    return values


def values_under(tag: str, name: str, values: Sequence[Value], run: Mapping[str, Any], rows: Rows) -> Sequence[Value]:
    """The values under one tag; a figure that is no mean is formed anew from the rows under it."""
    if run["task"]["headline"] == TEXT_SCORE:
        return image_values(name, run, [row for row in rows if tag in row["tags"]])
    return [value for value in values if tag in value.tags]


def image_value(name: str, run: Mapping[str, Any], row: Mapping[str, Any]) -> Value:
    """The score of one image, or one part of it, on the task's scale."""
    value = on_scale(run, row["score"] if name == "score" else row["parts"].get(name))
    decimals = run["task"]["decimals"].get("image")
    if decimals is not None and value is not None:
        value = round(value, decimals)
    return Value(row["sample"], tuple(row["tags"]), value)


def on_scale(run: Mapping[str, Any], value: float | None) -> float | None:
    """A score from 0 to 1 as the benchmark tells it."""
    return None if value is None else float(run["task"]["offset"]) + float(run["task"]["scale"]) * value


def own_value(verdict: Mapping[str, Any]) -> float | None:
    """What an answer of yes or no is worth by itself, whatever became of it below its parents."""
    return {"yes": 1.0, "no": 0.0}.get(normalise(str(verdict["answer"])))


def answer_values(run: Mapping[str, Any], rows: Rows, verdicts: Rows) -> list[Value]:
    """The value of every answer that is planned, on the task's scale."""
    released = run["task"].get("released_tags", False)
    values = {
        (one["sample"], one["index"], one["question"]): own_value(one) if released else one["value"] for one in verdicts
    }
    last = max((row["index"] for row in rows), default=0)
    found = []
    for row in rows if not released else [row for row in rows if row["index"] == last]:
        for tag, ids in run["task"]["answers"].get(row["sample"], {}).items():
            tags = (*row["tags"], *with_parents(tag))
            given = [values.get((row["sample"], row["index"], one)) for one in ids]
            found += [Value(row["sample"], tags, on_scale(run, one)) for one in given]
    return found
