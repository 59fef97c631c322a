"""An entry of a board: made from a finished run alone, with all that a ranking asks for. Nothing is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.ending import Damaged
from harness.headline import Rule, Value, rule_of
from harness.identity import hash_of
from harness.stored_run import StoredRun
from leaderboards.agreement import facts, served_ids
from leaderboards.answers import Answers
from leaderboards.contrast import headline_values

BOARD_VERSION = 1
FIGURE = ("name", "value", "se", "ci", "bounds", "strict", "planned", "scored", "clusters", "range", "higher_is_better")
"""What an entry keeps of a figure."""
DIGITS = 9
"""Decimals of the values that tests of significance are made from."""


class Refused(ValueError):
    """A run that may not enter a board, with the reason."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a board: what its file holds, and the values that its headline averages, in the plan's order."""

    content: Mapping[str, Any]
    values: tuple[Value, ...]

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.content["run"])

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.content["facts"]["task"])

    @property
    def headline(self) -> Mapping[str, Any]:
        """The figure that is ranked."""
        figure: Mapping[str, Any] = self.content["headline"]
        return figure

    @property
    def rule(self) -> Rule:
        """How the values become the headline."""
        return Rule(**self.content["rule"])


def make_entry(stored: StoredRun, trained_on: Sequence[str] = ()) -> Entry:
    """The entry of a run; Refused says why a run has none. `trained_on` is declared, where the run does not say it."""
    run, results = stored.run, stored.results
    admit(stored)
    values = tuple(headline_values(stored, Answers.read(stored.path)))
    headline = results["metrics"][0]
    content = {
        "schema_version": BOARD_VERSION,
        "run": run["id"],
        "run_seal": run["seal"],
        "folder": stored.path.resolve().name,
        "label": label_of(run),
        "model": {name: run["model"][name] for name in ("id", "revision", "weights_digest", "adapter_digest")},
        "facts": facts(run),
        "verifier": {"requested": run["verifier"]["requested"] or run["verifier"]["id"], "served": served_ids(run)},
        "combine": combine_of(run["reward"]),
        "date": run["ended"][:10],
        "headline": short(headline),
        "metrics": [short(one) for one in results["metrics"][1:]],
        "tags": {one["key"]: short(one) for one in results["groups"] if one["name"] == headline["name"]},
        "n": results["n"],
        "coverage": results["coverage"],
        "understanding": results["understanding"],
        "guards": results["guards"],
        "blank": results["blank"],
        "training": run["training"] or training_of(run["model"]),
        "trained_on": sorted({*(run["model"].get("trained_on") or ()), *trained_on}),
        "rule": asdict(rule_of(run["task"])),
        "code": {name: run["code"][name] for name in ("version", "git", "dirty")},
        "values_sha256": hash_of(columns(values)),
    }
    return Entry({**content, "seal": hash_of(content)}, values)


def admit(stored: StoredRun) -> None:
    """Refused for a run that no board may show."""
    run, results = stored.run, stored.results
    if run["limited"]:
        raise Refused(f"a limited run ({results['n']['prompts']} prompts) enters no board")
    if results["withheld"] or run["status"] != "complete":
        raise Refused(f"an incomplete run enters no board: {results['withheld'] or run['status']}")
    if len(served_ids(run)) > 1:
        raise Refused(f"several verifiers answered in one run: {', '.join(served_ids(run))}")


def label_of(run: Mapping[str, Any]) -> str:
    """The model's id, and what it was asked to do otherwise than by default: another sampler is another row."""
    arguments = run["identity"]["model arguments"]
    told = [f"{name}={value}" for name, value in sorted(arguments.items()) if name != "reason"]
    return " ".join([run["model"]["id"], *told])


def training_of(model: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a checkpoint of ours says of its training; None for any other model."""
    return {"reward_verifier": model["reward_verifier"]} if "reward_verifier" in model else None


def combine_of(reward: Mapping[str, Any]) -> str:
    """How answers became a score: `geometric`, `mean, gate dsg`."""
    gating = (reward.get("options") or {}).get("gating", "off")
    return str(reward.get("combine") or reward.get("kind")) + ("" if gating == "off" else f", gate {gating}")


def short(metric: Mapping[str, Any]) -> dict[str, Any]:
    """A figure as an entry keeps it."""
    return {name: metric[name] for name in FIGURE}


def columns(values: Sequence[Value]) -> dict[str, list[Any]]:
    """Values as columns: the places of prompt and of tags in their lists, then the numbers."""
    prompts = {one: place for place, one in enumerate(dict.fromkeys(value.prompt for value in values))}
    tags = {one: place for place, one in enumerate(dict.fromkeys(value.tags for value in values))}
    return {
        "prompts": list(prompts),
        "tag_sets": [list(one) for one in tags],
        "prompt": [prompts[one.prompt] for one in values],
        "tags": [tags[one.tags] for one in values],
        "value": [None if one.value is None else round(one.value, DIGITS) for one in values],
    }


def from_columns(found: Mapping[str, Sequence[Any]]) -> tuple[Value, ...]:
    """The values that such columns hold."""
    rows = zip(found["prompt"], found["tags"], found["value"], strict=True)
    return tuple(Value(found["prompts"][one], tuple(found["tag_sets"][tags]), value) for one, tags, value in rows)


def check_entry(content: Mapping[str, Any], place: str) -> None:
    """ValueError for an entry of an unknown version, Damaged for one that was edited."""
    version = content.get("schema_version")
    if version != BOARD_VERSION:
        raise ValueError(f"{place} has schema version {version!r}; this image-harness reads entries of {BOARD_VERSION}")
    if hash_of({name: value for name, value in content.items() if name != "seal"}) != content.get("seal"):
        raise Damaged(f"{place} was changed by hand: its seal does not match; add the run again")
