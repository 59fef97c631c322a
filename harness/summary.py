"""results.json: figures with intervals and coverage, from run.json and the rows alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.compat import lm_eval_block
from harness.interval import interval
from harness.record import SCHEMA_VERSION, Key
from harness.statistics import (
    Estimate,
    Tally,
    bounds,
    categories,
    detectable_before,
    detectable_unpaired,
    overlapping,
    per_prompt,
    pooled,
    tally,
)

Rows = Sequence[Mapping[str, Any]]
Values = Sequence[float | None]


def tallies(rows: Rows, values: Values, headline: str) -> dict[str, Tally]:
    """Values by prompt: under each tag where the headline is over tags, else all together."""
    if headline != "mean of tags":
        return {"": tally([row["sample"] for row in rows], values)}
    found: dict[str, tuple[list[str], list[float | None]]] = {}
    for row, value in zip(rows, values, strict=True):
        for tag in row["tags"]:
            prompts, some = found.setdefault(tag, ([], []))
            prompts.append(row["sample"])
            some.append(value)
    return {tag: tally(*pair) for tag, pair in sorted(found.items())}


def estimate(rows: Rows, values: Values, headline: str) -> tuple[Estimate, dict[str, Tally]]:
    """The figure a headline asks for: mean over prompts, or mean of tags."""
    found = tallies(rows, values, headline)
    if headline == "mean of tags":
        several = any(len(row["tags"]) > 1 for row in rows)
        return (overlapping if several else categories)(found), found
    return per_prompt(found[""]), found


def metric(
    name: str, rows: Rows, values: Values, headline: str, span: tuple[float, float] = (0.0, 1.0)
) -> dict[str, Any]:
    """One figure with all that belongs to it (harness.md 3.2)."""
    figure, found = estimate(rows, values, headline)
    around = interval(figure, found, span=span)
    ends = bounds(lambda filled: estimate(rows, filled, headline)[0].value, values, span)
    counted = tally([row["sample"] for row in rows], values)
    return {
        "name": name,
        "value": figure.value,
        "se": figure.se,
        "ci": None if around is None else asdict(around),
        "estimator": figure.estimator,
        "n": figure.n,
        "clusters": figure.clusters,
        "design_effect": None
        if figure.se is None or figure.value is None
        else effect(counted, figure.value, figure.se),
        "bounds": dict(zip(("low", "high"), ends, strict=True)),
        "range": list(span),
        "higher_is_better": True,
        "warning": figure.warning or None,
        "pooled": short(pooled(counted)),
        "per_prompt": short(per_prompt(counted)),
    }


def effect(counted: Tally, value: float, error: float) -> float | None:
    """SE^2 over what it would be if single values were independent (harness.md 4.1); None when all are equal."""
    total = float(counted.counts.sum())
    spread = float(counted.squares.sum()) - 2 * value * float(counted.sums.sum()) + value * value * total
    return error * error * total * total / spread if spread > 1e-12 * total else None


def short(figure: Estimate) -> dict[str, float | None]:
    """Another estimator's value and error."""
    return {"value": figure.value, "se": figure.se}


def coverage_of(planned: int, done: int) -> dict[str, Any]:
    """Planned, scored, and the share."""
    return {"planned": planned, "ok": done, "fraction": done / planned if planned else None}


def parts_of(rows: Rows) -> list[str]:
    """The figures that scores are made of."""
    return sorted({part for row in rows for part in row["parts"]})


def values_of(name: str, rows: Rows) -> list[float | None]:
    """The score, or one part of it, of every row."""
    return [row["score"] if name == "score" else row["parts"].get(name) for row in rows]


def by_status(rows: Rows) -> dict[str, int]:
    """How many rows have each status."""
    return dict(sorted(Counter(row["status"] for row in rows).items()))


def planned_keys(run: Mapping[str, Any]) -> list[Key]:
    """Every image of the plan, in its order."""
    return [(sample, index) for sample in run["task"]["samples"] for index in range(run["task"]["images_per_sample"])]


def planned_rows(run: Mapping[str, Any], rows: Rows) -> list[Mapping[str, Any]]:
    """A row for every planned image, in the plan's order; one that was never made is a row that was skipped."""
    found = {(row["sample"], row["index"]): row for row in rows}
    tags: dict[str, list[str]] = {}
    for tag, samples in run["task"]["tags"].items():
        for sample in samples:
            tags.setdefault(sample, []).append(tag)
    absent: dict[str, Any] = {
        "status": "skipped",
        "score": None,
        "parts": {},
        "guards": {},
        "image": None,
        "seconds": 0.0,
    }
    return [
        found.get(key) or {**absent, "sample": key[0], "index": key[1], "tags": tags.get(key[0], [])}
        for key in planned_keys(run)
    ]


def summarise(run: Mapping[str, Any], rows: Rows, verdicts: Rows) -> dict[str, Any]:
    """The results of a run; the same inputs give the same bytes."""
    rows, keys = planned_rows(run, rows), set(planned_keys(run))
    verdicts = [row for row in verdicts if (row["sample"], row["index"]) in keys]
    planned, asked = len(rows), run["task"]["questions"]
    images = [row["image"] for row in rows]
    done = sum(row["score"] is not None for row in rows)
    headline = run["task"]["headline"]
    spans = {"score": tuple(run["reward"]["range"]), **dict.fromkeys(parts_of(rows), (0.0, 1.0))}
    metrics = [metric(name, rows, values_of(name, rows), headline, span) for name, span in spans.items()]
    withheld = withhold(planned, done, metrics[0], float(run["config"]["min_coverage"]))
    results: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": run["id"],
        "reward_id": run["reward"]["id"],
        "status": "incomplete" if withheld else "complete",
        "n": {"prompts": len(run["task"]["samples"]), "images": planned, "questions": asked},
        "coverage": {
            "images": coverage_of(planned, done),
            "questions": coverage_of(asked, sum(row["value"] is not None for row in verdicts)),
        },
        "by_status": {"images": by_status(rows), "questions": by_status(verdicts)},
        "headline": None if withheld else "score",
        "withheld": withheld,
        "metrics": metrics,
        "groups": [group for name, span in spans.items() for group in groups(name, rows, span)],
        "detectable": detectable(metrics[0], run),
        "guards": mean_guards(rows),
        "blank": sum(image["blank"] for image in images if image),
        "understanding": None,
        "cost": {
            "generate": expense(math.fsum(row["seconds"] for row in rows), sum(map(bool, images))),
            "verify": spent(verdicts),
        },
    }
    return {**results, "compat": {"lm_eval": lm_eval_block(run, results)}}


def withhold(planned: int, done: int, headline: Mapping[str, Any], least: float) -> str | None:
    """Why there is no headline, if there is none."""
    if headline["value"] is None:
        return str(headline["warning"])
    if done < least * planned:
        return f"{done} of {planned} images have a score, below the floor of {least:.0%}"
    return None


def groups(name: str, rows: Rows, span: tuple[float, float]) -> list[dict[str, Any]]:
    """One metric for each tag."""
    tags = sorted({tag for row in rows for tag in row["tags"]})
    found = []
    for tag in tags:
        some = [row for row in rows if tag in row["tags"]]
        found.append({"by": "tag", "key": tag, **metric(name, some, values_of(name, some), "mean", span)})
    return found


def detectable(headline: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, float | None]:
    """Differences that runs of this size find with 80 % power (harness.md 4.5)."""
    if headline["se"] is None:
        return {"unpaired": None, "paired": None}
    prompts, images = len(run["task"]["samples"]), run["task"]["images_per_sample"]
    paired = detectable_before(min(max(headline["value"], 0.0), 1.0), prompts, images, paired=True)
    return {"unpaired": detectable_unpaired(headline["se"]), "paired": paired}


def mean_guards(rows: Rows) -> dict[str, float]:
    """Mean of every guard that is a number."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row["guards"].items():
            if isinstance(value, int | float):
                found.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in sorted(found.items())}


def spent(verdicts: Rows) -> dict[str, Any]:
    """What verifying took; a reply that answered several questions is counted once."""
    replies = {row["reply_key"] or (row["sample"], row["index"], row["question"]): row for row in verdicts}
    asked = [row for row in replies.values() if row["tries"]]
    return expense(
        math.fsum(row["latency_ms"] for row in asked) / 1000,
        len(asked),
        cached=sum(row["cached"] for row in asked),
        retries=sum(row["tries"] - 1 for row in asked),
        tokens_in=sum(row["tokens"][0] for row in asked),
        tokens_out=sum(row["tokens"][1] for row in asked),
    )


def expense(
    seconds: float, calls: int, cached: int = 0, retries: int = 0, tokens_in: int = 0, tokens_out: int = 0
) -> dict[str, Any]:
    """Time and calls of one stage; nobody measures the GPU's own time yet."""
    return {
        "seconds": seconds,
        "gpu_seconds": None,
        "calls": calls,
        "cached": cached,
        "retries": retries,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
    }
