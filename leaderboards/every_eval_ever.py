"""A finished run in the shared schema of Every Eval Ever 0.3.0 (harness.md 3.6): one record, one line an image."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.headline import on_scale
from harness.json_lines import json_line
from harness.protocol import protocol_of, shown_task
from harness.stored_run import StoredRun
from leaderboards.record import sources

SCHEMA = "0.3.0"
SERVED = {"openai": "externally_managed", "folder": "unknown"}
"""Models whose weights are not where the harness runs, or nobody can say."""
Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """What no run folder knows: who measured, and how that party stands to the model."""

    organization: str
    relationship: str
    availability: str


@dataclass(frozen=True, slots=True)
class Shared:
    """The two files of one run, and where they lie below the folder that is handed out."""

    place: str
    """`data/TASK/DEVELOPER/MODEL/UUID`, without an ending"""
    record: Content
    lines: str


def share(stored: StoredRun, origin: Origin) -> Shared:
    """The record of a run; ValueError where its headline is withheld, for then there is no figure to hand out."""
    run, results = stored.run, stored.results
    if results["headline"] is None:
        raise ValueError(f"{stored.path} has no headline to hand out: {results['withheld']}")
    name = f"{shown_task(run['task']['name'], protocol_of(run))}@{run['task']['version']}"
    seconds = str(int(datetime.fromisoformat(run["ended"]).timestamp()))
    evaluation = f"{name}/{run['model']['id']}/{seconds}"
    developer, model = owner_of(run["model"]["id"])
    # from the run's id, so that handing out a run again gives the same files
    identifier = uuid.UUID(bytes=hashlib.sha256(run["id"].encode()).digest()[:16], version=4)
    place = "/".join(["data", *(plain(part) for part in (name, developer, model)), str(identifier)])
    lines = [instance(stored, row, evaluation, name) for row in stored.rows().values() if row["score"] is not None]
    text = "".join(json_line(one) for one in lines)
    detailed = {
        "format": "jsonl",
        "file_path": f"{place}_samples.jsonl",
        "hash_algorithm": "sha256",
        "checksum": hashlib.sha256(text.encode()).hexdigest(),
        "total_rows": len(lines),
    }
    about = {"evaluation_id": evaluation, "retrieved_timestamp": seconds, "detailed_evaluation_results": detailed}
    return Shared(place, {**about, **aggregate(stored, origin, name)}, text)


def aggregate(stored: StoredRun, origin: Origin, name: str) -> Content:
    """The part of a record that tells the run: who measured what with which model, and every figure there is."""
    run, results = stored.run, stored.results
    return {
        "schema_version": SCHEMA,
        "evaluation_timestamp": run["ended"],
        "source_metadata": {
            "source_name": "image-harness",
            "source_type": "evaluation_run",
            "source_organization_name": origin.organization,
            "evaluator_relationship": origin.relationship,
        },
        "eval_library": {"name": "image-harness", "version": run["code"]["version"] or "unknown"},
        "model_info": model_info(run, origin),
        "evaluation_results": [
            result(run, results, one, name) for one in results["metrics"] if one["value"] is not None
        ],
    }


def owner_of(model: str) -> tuple[str, str]:
    """Developer and name, where a model's id names both."""
    developer, slash, name = model.partition("/")
    return (developer, name) if slash and developer and name else ("unknown", model)


def plain(part: str) -> str:
    """A name as one folder's; never the folder above."""
    return re.sub(r"[^\w.@+=-]", "_", part).lstrip(".") or "_"


def texts(found: Mapping[str, Any]) -> dict[str, str]:
    """Details as the schema takes them: texts alone, what is not known left out."""
    return {name: str(value) for name, value in found.items() if value is not None and value != ""}


def model_info(run: Mapping[str, Any], origin: Origin) -> Content:
    """The model that drew."""
    model = run["model"]
    details = {
        "deployment_type": SERVED.get(model["name"], "self_deployed"),
        "model_availability": origin.availability,
        **{name: model[name] for name in ("revision", "weights_digest", "adapter_digest")},
        "arguments": model["args"],
        "trained_on": ", ".join(sources(model.get("trained_on") or (), run["training"])),
    }
    return {
        "name": owner_of(model["id"])[1],
        "id": model["id"],
        "developer": owner_of(model["id"])[0],
        "additional_details": texts(details),
    }


def result(run: Mapping[str, Any], results: Mapping[str, Any], metric: Mapping[str, Any], name: str) -> Content:
    """One figure with its uncertainty; what is missing is counted, never filled in."""
    task, (low, high) = run["task"], metric["range"]
    return {
        "evaluation_result_id": f"{name}.{metric['name']}",
        "evaluation_name": name,
        "evaluation_timestamp": run["ended"],
        "source_data": {
            "dataset_name": task["name"],
            "source_type": "other",
            "additional_details": texts(
                {"version": task["version"], "split": task["split"], "hash": task["hash"], "licence": task["licence"]}
            ),
        },
        "metric_config": {
            "metric_id": f"{task['name']}.{metric['name']}",
            "metric_name": metric["name"],
            "lower_is_better": not metric["higher_is_better"],
            "score_type": "continuous",
            "min_score": low,
            "max_score": high,
            "additional_details": texts(
                {"estimator": metric["estimator"], "headline": task["headline"], "reward_id": run["reward"]["id"],
                 "verifier": run["verifier"]["id"], "verifier_mode": run["verifier"]["mode"]}
            ),
            **judges(run),
        },
        "score_details": {"score": metric["value"], "details": details(run, results, metric), **doubt(metric)},
    }  # fmt: skip


def judges(run: Mapping[str, Any]) -> Content:
    """The model that judged; nothing where rules did, for the schema knows no other judge than a model."""
    verifier = run["verifier"]
    if verifier["mode"] == "rule":
        return {}
    served = [str(one["id"]) for one in verifier["served"]] or [verifier["id"]]
    about = {"deployment_type": "unknown", "model_availability": "unknown"}
    more = texts({"requested": verifier["requested"], "revision": verifier["revision"], "mode": verifier["mode"]})
    seats = [{"model_info": {"name": one, "id": one, "additional_details": {**about, **more}}} for one in served]
    prompts = run["reward"].get("prompts_sha256")
    asked = f"sha256:{prompts}" if prompts else f"reward {run['reward']['id']}"
    return {"llm_scoring": {"judges": seats, "input_prompt": asked}}


def details(run: Mapping[str, Any], results: Mapping[str, Any], metric: Mapping[str, Any]) -> dict[str, str]:
    """Coverage, bounds and how many rows have which status, as texts."""
    coverage, bounds = results["coverage"], metric["bounds"]
    statuses = {f"rows_{name}": count for name, count in results["by_status"]["images"].items()}
    return texts(
        {
            "coverage_images": coverage["images"]["fraction"],
            "coverage_questions": coverage["questions"]["fraction"],
            "bound_low": bounds["low"],
            "bound_high": bounds["high"],
            "planned": metric["planned"],
            "scored": metric["scored"],
            "limited": run["limited"],
            "missing": run["missing"],
            **statuses,
        }
    )


def doubt(metric: Mapping[str, Any]) -> Content:
    """Standard error and interval, where there are any."""
    if metric["se"] is None:
        return {}
    around = metric["ci"]
    found: Content = {
        "standard_error": {"value": metric["se"], "method": "clustered by prompt"},
        "num_samples": metric["clusters"],
    }
    if around is not None:
        found["confidence_interval"] = {
            "lower": around["low"],
            "upper": around["high"],
            "confidence_level": around["level"],
            "method": around["method"],
        }
        if around["draws"]:
            found["num_bootstrap_samples"] = around["draws"]
    return {"uncertainty": found}


def instance(stored: StoredRun, row: Mapping[str, Any], evaluation: str, name: str) -> Content:
    """One image with a score; the schema's yes or no is whether every question was answered as wanted."""
    run = stored.run
    right = row["parts"].get("correct")
    best = run["reward"]["range"][1]
    picture = f"sha256:{row['image']['sha256']}" if row["image"] else ""
    return {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation,
        "model_id": run["model"]["id"],
        "evaluation_name": name,
        "evaluation_result_id": f"{name}.score",
        "sample_id": f"{row['sample']}#{row['index']}",
        "sample_hash": hashlib.sha256(row["prompt"].encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": row["prompt"], "reference": []},
        "output": {"raw": [picture], "reasoning_trace": [row["thought"]] if row["thought"] else None},
        "messages": None,
        "answer_attribution": [],
        "evaluation": {
            "score": on_scale(run, row["score"]),
            "is_correct": row["score"] >= best if right is None else right == 1.0,
        },
        "performance": {"generation_time_ms": 1000.0 * row["seconds"]},
        "metadata": texts({"seed": row["seed"], "sources": ",".join(row["sources"]), "tags": ",".join(row["tags"])}),
    }
