"""The rows of a board as plain values: what its JSON and CSV hold and what every other form is written from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.protocol import shown_task
from leaderboards.entry import Entry
from leaderboards.ranking import Line, Ranking
from leaderboards.reported import Reported

Record = dict[str, Any]
FIELDS = (
    "kind", "task", "version", "split", "rank", "letters", "model", "folder", "figure", "value", "low", "high",
    "interval", "prompts", "images", "coverage", "answer_coverage", "worst", "best", "verifier_requested",
    "verifier_served", "combine", "date", "trained_on", "prompt_overlap", "reward_verifier", "self_verified", "guards",
    "understanding", "reason", "run", "source",
)  # fmt: skip
"""The columns of the CSV file."""


def records(found: Sequence[Ranking], reported: Sequence[Reported]) -> list[Record]:
    """Every row: ours, in the order of their tables, then those that others have published."""
    ours = [line_record(line) for ranking in found for line in ranking.lines]
    return ours + [one for table in reported for one in reported_records(table)]


def line_record(line: Line) -> Record:
    """One row of ours; the figure is withheld below the floor of coverage, where only its bounds are known."""
    entry = line.entry
    content, headline, facts = entry.content, entry.headline, entry.content["facts"]
    known = not line.reason.startswith("coverage")
    around = (headline["ci"] or {}) if known else {}
    return {
        "kind": "ranked" if line.rank else "unranked",
        "task": shown_task(facts["task"], facts.get("protocol", "")),
        "version": facts["version"],
        "split": facts["split"],
        "rank": line.rank,
        "letters": line.letters,
        "model": content["label"],
        "folder": content["folder"],
        "figure": headline["name"],
        "value": headline["value"] if known else None,
        "low": around.get("low"),
        "high": around.get("high"),
        "interval": around.get("method"),
        "prompts": content["n"]["prompts"],
        "images": content["n"]["images"],
        "coverage": content["coverage"]["images"]["fraction"],
        "answer_coverage": content["coverage"]["questions"]["fraction"],
        "worst": headline["bounds"]["low"],
        "best": headline["bounds"]["high"],
        "verifier_requested": content["verifier"]["requested"],
        "verifier_served": ", ".join(content["verifier"]["served"]),
        "combine": content["combine"],
        "date": content["date"],
        "trained_on": ", ".join(trained_on(entry)),
        "prompt_overlap": overlap(entry),
        "reward_verifier": (content["training"] or {}).get("reward_verifier", ""),
        "self_verified": (content["training"] or {}).get("self_verified"),
        "guards": ", ".join(f"{name} {value:.3f}" for name, value in content["guards"].items()),
        "understanding": understood(content["understanding"]),
        "reason": line.reason,
        "run": content["run"],
        "source": "",
    }


def trained_on(entry: Entry) -> list[str]:
    """What the model is known to have been trained on."""
    return sources(entry.content["trained_on"], entry.content["training"])


def sources(named: Iterable[str], training: Mapping[str, Any] | None) -> list[str]:
    """What a model itself or somebody names, and what its training was on, unless there was no update yet."""
    known = training or {}
    if known.get("updates") == 0:
        return sorted(named)
    own = known.get("trained_on") or ([known["task"]] if "task" in known else [])
    return sorted({*named, *map(str, own)})


def overlap(entry: Entry) -> str:
    """`0 exact, 3 near`: prompts of the run that were trained on; nothing where that is not recorded."""
    found: Mapping[str, Any] = (entry.content["training"] or {}).get("prompt_overlap") or {}
    return ", ".join(f"{found[kind]} {kind}" for kind in ("exact", "near") if kind in found)


def understood(found: Mapping[str, Mapping[str, Any]] | None) -> str:
    """`vqa passed`: the gate of every task of understanding; nothing where it was not measured."""
    outcomes = {True: "passed", False: "not passed", None: "not compared"}
    return ", ".join(f"{name} {outcomes[one.get('passed')]}" for name, one in sorted((found or {}).items()))


def reported_records(table: Reported) -> list[Record]:
    """The rows of a published table: its overall figure, the judge and the source."""
    empty: Record = dict.fromkeys(FIELDS, "")
    none = dict.fromkeys(("rank", "low", "high", "prompts", "images", "coverage", "answer_coverage", "worst", "best",
                          "self_verified"))  # fmt: skip
    shared = {**empty, **none, "kind": "reported", "task": table.task, "split": table.set}
    shared |= {"verifier_requested": table.judge, "source": table.source["url"], "figure": table.columns[0]}
    return [{**shared, "model": model, "value": values[0]} for model, values in table.rows]


def decimals(span: Sequence[float]) -> int:
    """How many decimals a figure of this range is told with: 3 from 0 to 1, 1 from 0 to 100."""
    return max(1, 3 - round(math.log10(span[1] - span[0])))
