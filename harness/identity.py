"""run.json: what a run is, so that it can go on, be compared, and be read years later."""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.arguments import parse_arguments
from harness.assemble import Assembly
from harness.ending import INTERRUPTED, PREEMPTED, code_of
from harness.environment import code_state, environment
from harness.headline import headline_record
from harness.record import SCHEMA_VERSION
from harness.refining import refinement_record
from harness.run_folder import ResumeError
from harness.shown import name_of
from harness.unscored import UNSCORED
from reward.reward import Reward
from reward.secret import redact
from reward.verifier import Verifier
from tasks.sample import Sample
from tasks.task import Task


def hash_of(content: Any) -> str:
    """SHA-256 of canonical JSON (harness.md 5.8)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def task_hash(samples: Sequence[Sample]) -> str:
    """Hash of prompts, sources, questions, references and their pictures."""
    return hash_of(
        [
            [
                sample.id,
                sample.request.prompt,
                [name_of(source) for source in sample.request.sources],
                [[one.id, one.text, dict(one.worth), one.group, one.tag, list(one.needs)] for one in sample.questions],
                dict(sample.reference),
                *([[name_of(one) for one in sample.pictures]] if sample.pictures else []),
            ]
            for sample in samples
        ]
    )


def tags_of(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """The samples under each tag."""
    found: dict[str, list[str]] = {}
    for sample in samples:
        for tag in sample.tags:
            found.setdefault(tag, []).append(sample.id)
    return found


def about_task(task: Task, samples: Sequence[Sample], images: int) -> dict[str, Any]:
    """What is asked: the task, and the part of it that this run asks for."""
    return {
        "name": task.name,
        "version": task.version,
        "split": task.split,
        "hash": task_hash(samples),
        "licence": task.licence,
        "citation": task.citation,
        "missing": task.missing,
        "released_tags": task.released_tags,
        "headline": task.headline,
        **headline_record(task, samples),
        "files": dict(task.files),
        "findings": list(task.findings),
        "samples": [sample.id for sample in samples],
        "tags": tags_of(samples),
        "images_per_sample": images,
        "questions": sum(len(sample.questions) for sample in samples) * images,
    }


def name_with(task: Task, verifier: Verifier, reward: Reward) -> str:
    """The task's name; with a model that its figures were not made with it is another task, named after both."""
    stand_in = verifier.record.get("stand_in") or reward.record.get("stand_in")
    family = verifier.record.get("family") or verifier.record.get("detector", {}).get("family")
    if task.published_by and family != task.published_by:
        stand_in = stand_in or family
    return f"{task.name}@{stand_in}" if stand_in else task.name


def subjects(assembly: Assembly, config: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured, and with what: task, model, reward, verifier."""
    job, model = assembly.job, assembly.model
    task, verifier, reward = job.task, job.verifier, job.reward
    return {
        "task": {**about_task(task, job.samples, job.images), "name": name_with(task, verifier, reward)},
        "model": {
            "revision": None,
            "weights_digest": None,
            "adapter_digest": None,
            **model.record,
            "name": config["model"],
            "args": config["model_args"],
            "id": model.id,
        },
        "reward": {"id": reward.id, "range": list(reward.range), **reward.record},
        "verifier": {
            **dict.fromkeys(("requested", "revision", "base_url", "mode", "sampling", "probe")),
            "name": config["verifier"] or task.reward.verifier,
            "served": [],
            **verifier.record,
            "id": verifier.id,
        },
        "seed": job.seed,
        "seed_rule": "v1",
        "limited": len(job.samples) < len(task.samples),
        "refinement": refinement_record(model),
    }


def describe(assembly: Assembly, config: Mapping[str, Any], argv: Sequence[str]) -> dict[str, Any]:
    """run.json of a run that begins now (harness.md 3.1)."""
    content = subjects(assembly, config)
    identity = identity_of(content, config)
    config_hash, now = hash_of(identity), datetime.now(UTC)
    return {
        "schema_version": SCHEMA_VERSION,
        "id": f"{now:%Y%m%dT%H%M%SZ}-{config_hash[:8]}-{os.urandom(2).hex()}",
        "kind": "eval",
        "status": "running",
        "exit_code": None,
        "started": now.isoformat(timespec="seconds"),
        "ended": None,
        "error": None,
        "argv": list(argv),
        "config": dict(config),
        "config_hash": config_hash,
        "identity": identity,
        **content,
        "missing": config.get("missing", "exclude"),
        "code": code_state(),
        "environment": environment(str(config["device"])),
        "training": None,
        "trusted": {
            "remote_code": bool(config.get("trust_remote_code")),
            "modules": [
                name
                for name in (config["model"], config["task"], config["verifier"])
                if name and "." in name and ":" not in name
            ],
        },
        "warnings": [],
    }


def identity_of(content: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what a run finds, by its meaning and not by how it was written on the command line."""
    return {
        "task": f"{content['task']['name']}@{content['task']['version']} {content['task']['split']}",
        "task hash": content["task"]["hash"],
        "images per prompt": content["task"]["images_per_sample"],
        "model": content["model"]["id"],
        "model arguments": model_arguments(config),
        "reward id": content["reward"]["id"],
        "missing": config.get("missing", "exclude"),
        "seed": content["seed"],
        **refinement_identity(content["refinement"]),
    }


def refinement_identity(refinement: Mapping[str, Any] | None) -> dict[str, str | None]:
    """What decides how pictures are refined: the rule, and the words of what the model and a verifier are asked."""
    if refinement is None:
        return {"refinement": None, "refinement texts": None}
    texts = [refinement["prompt_sha256"], refinement.get("question")]
    return {"refinement": refinement["label"], "refinement texts": hash_of(texts)[:12]}


def model_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the model, with those that say how it draws laid over them."""
    thinks = {"reason": True} if config.get("reason") else {}
    return {**parse_arguments(config["model_args"]), **parse_arguments(config.get("gen_kwargs", "")), **thinks}


def check_same(found: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    """ResumeError names what differs when a folder holds another run."""
    if int(found.get("schema_version", 0)) > SCHEMA_VERSION:
        raise ResumeError(f"{folder} was written by a newer image-harness (schema {found['schema_version']})")
    if found.get("config_hash") == wanted["config_hash"]:
        return
    before, after = found.get("identity", {}), wanted["identity"]
    if before.get("reward id") == UNSCORED:  # pictures that no reward has seen are any reward's
        before = {**before, "reward id": after["reward id"]}
    told = [
        f"{name} is {before.get(name)!r} there and {after[name]!r} here"
        for name in after
        if before.get(name) != after[name]
    ]
    if not told:
        return
    raise ResumeError(
        f"{folder} holds another run ({'; '.join(told)}); choose another --output-path, nothing was touched"
    )


def ending_of(failure: BaseException) -> dict[str, Any]:
    """How a run that raised has ended."""
    code = code_of(failure)
    if code in (PREEMPTED, INTERRUPTED):
        return {"status": "cancelled", "exit_code": code, "error": None}
    return {"status": "error", "exit_code": code, "error": told(failure)}


def told(failure: BaseException) -> dict[str, str]:
    """An error as run.json keeps it: what, why, and the line it came from."""
    frames = traceback.extract_tb(failure.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"type": type(failure).__name__, "message": redact(str(failure)), "where": where}


def served(verdicts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Which verifiers answered, as they named themselves, and how often."""
    counts = Counter(row["served"] for row in verdicts if row["served"])
    return [{"id": name, "count": count} for name, count in sorted(counts.items())]
