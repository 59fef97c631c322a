"""results.json: figures with intervals and coverage, from run.json and the rows alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.compat import lm_eval_block
from harness.headline import (
    PER_PROMPT,
    POOLED,
    Rows,
    Rule,
    Span,
    Value,
    answer_values,
    image_values,
    metric,
    on_scale,
    rule_of,
    values_under,
)
from harness.missing import counted, counts_as_nothing
from harness.record import SCHEMA_VERSION, Key
from harness.refinement_figures import refinement_figures
from harness.statistics import detectable_before, detectable_unpaired
from harness.unscored import REASON, UNSCORED
from reward.budget import MILLION
from tasks.task import OVER_ANSWERS


@dataclass(frozen=True, slots=True)
class Figure:
    """One named figure: its values, how they become one, and how they do under a single tag."""

    name: str
    values: Sequence[Value]
    rule: Rule
    span: Span
    within: Rule = PER_PROMPT


def coverage_of(planned: int, done: int) -> dict[str, Any]:
    """Planned, scored, and the share."""
    return {"planned": planned, "ok": done, "fraction": done / planned if planned else None}


def parts_of(rows: Rows) -> list[str]:
    """The figures that scores are made of."""
    return sorted({part for row in rows for part in row["parts"]})


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
    absent: dict[str, Any] = {"status": "skipped", "score": None, "parts": {}, "guards": {}, "image": None}
    absent["seconds"] = 0.0
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
    taken, answers = counted(run, rows, verdicts)
    every = figures(run, taken, answers)
    metrics = [metric(one.name, one.values, one.rule, one.span) for one in every]
    withheld = withhold(planned, done, metrics[0], floor_of(run))
    if run["reward"]["id"] == UNSCORED:
        withheld = REASON
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
        "headline": None if withheld else metrics[0]["name"],
        "withheld": withheld,
        "metrics": metrics,
        "groups": groups(run, taken, every, answer_values(run, taken, answers)),
        "detectable": detectable(metrics[0], run),
        "guards": mean_guards(rows),
        "blank": sum(image["blank"] for image in images if image),
        "understanding": None,
        "refinement": refinement_figures(run, rows) if run.get("refinement") else None,
        "cost": {
            "generate": made(rows),
            "verify": spent(verdicts, run["verifier"].get("prices")),
        },
    }
    return {**results, "compat": {"lm_eval": lm_eval_block(run, results)}}


def floor_of(run: Mapping[str, Any]) -> float:
    """The share of images that must have a value; figures made for parity have no floor, and their label says so."""
    parity = run.get("missing", "exclude") != "exclude" or counts_as_nothing(run)
    return 0.0 if parity else float(run["config"]["min_coverage"])


def withhold(planned: int, done: int, headline: Mapping[str, Any], least: float) -> str | None:
    """Why there is no headline, if there is none."""
    if headline["value"] is None:
        return str(headline["warning"])
    if done < least * planned:
        return f"{done} of {planned} images have a score, below the floor of {least:.0%}"
    if headline["scored"] < least * headline["planned"]:
        return f"{headline['scored']} of {headline['planned']} values exist, below the floor of {least:.0%}"
    return None


def figures(run: Mapping[str, Any], rows: Rows, verdicts: Rows) -> list[Figure]:
    """The headline's figure first, then all others that scores are made of."""
    rule, headline = rule_of(run["task"]), run["task"]["headline"]
    ranges = run["reward"].get("ranges", {})
    names = ["score", *(name for name in parts_of(rows) if name != "score")]
    if headline == "share complete":
        names.sort(key=lambda name: name != "complete")
    found = []
    for name in names:
        low, high = run["reward"]["range"] if name == "score" else ranges.get(name, (0.0, 1.0))
        over_answers = headline in OVER_ANSWERS
        if over_answers and name == "score":
            found.append(Figure(name, answer_values(run, rows, verdicts), rule, span_of(run, 0.0, 1.0), POOLED))
            continue
        span = span_of(run, low, high)
        found.append(Figure(name, image_values(name, run, rows), PER_PROMPT if over_answers else rule, span))
    return found


def groups(
    run: Mapping[str, Any], rows: Rows, every: Sequence[Figure], answers: Sequence[Value]
) -> list[dict[str, Any]]:
    """Each figure under each tag, the compounds of tags, and answers under the tags of their questions."""
    found = []
    for one in every:
        for tag in sorted(run["task"]["tags"]):
            some = values_under(tag, one.name, one.values, run, rows)
            found.append({"by": "tag", "key": tag, **metric(one.name, some, one.within, one.span)})
    first = every[0]
    for name, weights in run["task"]["compounds"].items():
        figure = metric(first.name, first.values, Rule("tags", weights), first.span)
        found.append({"by": "compound", "key": name, **figure})
    for tag in sorted({tag for value in answers for tag in value.tags} - set(run["task"]["tags"])):
        some = [value for value in answers if tag in value.tags]
        figure = metric("score", some, POOLED, span_of(run, 0.0, 1.0))
        found.append({"by": "question tag", "key": tag, **figure})
    return found


def span_of(run: Mapping[str, Any], low: float, high: float) -> Span:
    """The ends of a range of scores as the benchmark tells them."""
    return on_scale(run, low) or 0.0, on_scale(run, high) or 0.0


def detectable(headline: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, float | None]:
    """Differences that runs of this size find with 80 % power (harness.md 4.5)."""
    if headline["se"] is None:
        return {"unpaired": None, "paired": None}
    prompts, images = len(run["task"]["samples"]), run["task"]["images_per_sample"]
    low, high = headline["range"]
    rate = min(max((headline["value"] - low) / (high - low), 0.0), 1.0)
    paired = (high - low) * detectable_before(rate, prompts, images, paired=True)
    return {"unpaired": detectable_unpaired(headline["se"]), "paired": paired}


def mean_guards(rows: Rows) -> dict[str, float]:
    """Mean of every guard that is a number."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row["guards"].items():
            if isinstance(value, int | float):
                found.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in sorted(found.items())}


def spent(verdicts: Rows, prices: Mapping[str, float] | None) -> dict[str, Any]:
    """What verifying took; a reply that answered several questions is counted once, one out of a cache as cached."""
    asked, kept = (
        {row["reply_key"] or (row["sample"], row["index"], row["question"]): row for row in verdicts if row[what]}
        for what in ("tries", "cached")
    )
    tokens_in, tokens_out = (sum(row["tokens"][place] for row in asked.values()) for place in (0, 1))
    return expense(
        math.fsum(row["latency_ms"] for row in asked.values()) / 1000,
        len(asked),
        cached=len(kept),
        retries=sum(row["tries"] - 1 for row in asked.values()),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        price=price_of(tokens_in, tokens_out, prices or {}),
    )


def made(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the images cost; rows of older versions know no tokens."""
    sent, drawn = (sum(row.get("tokens", (0, 0))[place] for row in rows) for place in (0, 1))
    calls = sum(row["image"] is not None for row in rows)
    return expense(math.fsum(row["seconds"] for row in rows), calls, tokens_in=sent, tokens_out=drawn)


def price_of(tokens_in: int, tokens_out: int, prices: Mapping[str, float]) -> float | None:
    """What tokens cost at prices for a million of them; None where no price is known."""
    if not any(prices.values()):
        return None
    return (tokens_in * prices["in"] + tokens_out * prices["out"]) / MILLION


def expense(
    seconds: float, calls: int, cached: int = 0, retries: int = 0, tokens_in: int = 0, tokens_out: int = 0,
    price: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Time, calls and money of one stage; nobody measures the GPU's own time yet."""
    return {
        "seconds": seconds,
        "gpu_seconds": None,
        "calls": calls,
        "cached": cached,
        "retries": retries,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "price": price,
    }
