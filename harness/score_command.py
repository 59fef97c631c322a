"""harness score: judges the stored pictures of a finished run with another verifier, beside what was judged before."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from harness.arguments import fill
from harness.assemble import Assembly
from harness.ending import DONE
from harness.eval_command import begin, carry_out, draft, keys, preempt
from harness.eval_config import CACHE_FLAGS, EvalConfig, check_ranges, offer_data
from harness.forecast import forecast, print_forecasts
from harness.identity import hash_of, refinement_identity
from harness.job import prepare
from harness.json_lines import hidden
from harness.offline import forbid_connections
from harness.record import SCORED, RunRecord
from harness.run_folder import RunStore
from harness.scored_run import lay_out, stored_model
from harness.settings import with_value
from harness.stored_run import StoredRun, open_runs
from harness.table import print_results
from reward.cache import default_folder
from reward.secret import secrets
from tasks.registry import TASKS

Alias = tyro.conf.arg
OF_THE_RUN = (
    *("model", "model_args", "gen_kwargs", "reason", "trust_remote_code"),
    *("task", "task_args", "limit", "samples", "num_images", "seed", "missing", "reward", "reward_args"),
)
"""Settings that say what was drawn; they are those of the run."""


@dataclass(frozen=True)
class ScoreConfig:
    """Judge the pictures of a finished run again; no model is loaded."""

    run: tyro.conf.Positional[Path]
    """A finished run folder, also one of --predict-only, or a folder of them."""
    verifier: str | None = None
    """A name printed by `harness ls verifiers`, or a dotted module; the task's own when not given."""
    verifier_args: str = ""
    """Arguments of the verifier."""
    reward: str | None = None
    """A kind of reward in the place of the run's, such as vqascore or readback."""
    reward_args: str | None = None
    """What is said of it: reading, combine, options."""
    max_calls: int | None = None
    """Ask the verifier no more than so many times; what is left is saved as skipped, exit 4."""
    max_cost: float | None = None
    """Spend no more than this, by price_in= and price_out= of --verifier-args, the prices of a million tokens."""
    use_cache: Annotated[Path | None, Alias(aliases=["-c"])] = None
    """Folder where replies are kept and found again; without a folder ~/.cache/image-harness/replies."""
    output_path: Annotated[Path | None, Alias(aliases=["-o"])] = None
    """Folder of the new judgement. RUN/scored/REWARD-ID when not given."""
    task: Annotated[str | None, Alias(aliases=["-t"])] = None
    """The task's name; needed where it is a module of your own, which a run folder alone does not make us import."""
    data: Path | None = None
    """Folder of benchmark data; where the run had it when not given."""
    batch_size: Annotated[int, Alias(aliases=["-b"])] = 64
    """Pictures judged at once."""
    min_coverage: float = 0.98
    """Share of images that must have a score for a headline."""
    on_error: Literal["mask", "stop"] = "mask"
    """Whether a failed image leaves a row without a value, or ends the run."""
    resume: Literal["auto", "none"] = "auto"
    """Go on with what the folder holds of this very judgement, or refuse a folder that holds any."""
    dry_run: bool = False
    """Print what would be asked, and ask nothing."""
    offline: bool = False
    """Refuse every connection."""
    json: bool = False
    """Print the results as JSON instead of a table."""
    verbosity: Annotated[Literal["normal", "quiet"], Alias(aliases=["-v"])] = "normal"
    """quiet shows no progress."""


def main(arguments: list[str]) -> int:
    """Judges every run asked for; gives the worst exit code."""
    given = with_value(arguments, CACHE_FLAGS, str(default_folder()))
    config = tyro.cli(ScoreConfig, args=given, prog="harness score")
    if config.offline:
        forbid_connections()
    origins = open_runs(config.run)
    if config.output_path is not None and len(origins) > 1:
        raise ValueError(f"{config.run} holds {len(origins)} runs and --output-path is the folder of one")
    signal.signal(signal.SIGTERM, preempt)
    signal.signal(signal.SIGUSR1, preempt)
    records = [score(config, origin, arguments) for origin in origins]
    done = [one for one in records if one is not None]
    if config.json and done:
        print(json.dumps([one.results for one in done] if len(done) > 1 else done[0].results, sort_keys=True, indent=1))
    return max((int(one.run["exit_code"]) for one in done), default=DONE)


def score(config: ScoreConfig, origin: StoredRun, argv: list[str]) -> RunRecord | None:
    """One run judged; None where that was only counted."""
    settings = settings_of(config, origin)
    check_ranges(settings)
    offer_data(settings.data, settings.accept_licence)
    if config.dry_run:
        print_forecasts([forecast(settings, settings.task, origin.path / SCORED)], config.json)
        return None
    job = prepare(settings, settings.task)
    folder = config.output_path or origin.path / SCORED / job.reward.id
    settings = replace(settings, output_path=folder)
    assembly, store = Assembly(job, stored_model(origin)), RunStore(folder)
    run = described(settings, assembly, origin, argv)
    check_origin(origin, run)
    store.probe()
    run = begin(settings, store, run, keys(assembly))
    if not store.part("samples").exists():
        lay_out(origin, folder)
    record = carry_out(settings, assembly, store, run)
    if record is not None and not config.json:
        print_results(record.run, record.results, str(folder))
        print(against(origin, store))
    return record


def against(origin: StoredRun, store: RunStore) -> str:
    """How the new answers agree with those of the run, question by question."""
    before, now = origin.verdicts(), store.verdicts()
    both = [(before[key]["value"], row["value"]) for key, row in now.items() if key in before]
    pairs = [(one, other) for one, other in both if one is not None and other is not None]
    if not pairs:
        return f"{origin.path} has no answers to hold these against"
    alike = sum((one >= 0.5) == (other >= 0.5) for one, other in pairs) / len(pairs)
    apart = math.fsum(other - one for one, other in pairs) / len(pairs)
    return (
        f"against the answers in {origin.path}: {len(pairs)} questions have both, {alike:.1%} fall on the same side of "
        f"one half, values differ by {apart:+.3f} in the mean"
    )


def settings_of(config: ScoreConfig, origin: StoredRun) -> EvalConfig:
    """The settings of the run, with those of the new judgement laid over them."""
    stored = origin.run["config"]
    task = str(stored["task"])
    if task not in TASKS and not task.endswith(".jsonl") and config.task != task:
        raise ValueError(f"{origin.path} is of the task {task!r}, a module; name it in --task if it may be imported")
    if config.task not in (None, task):
        raise ValueError(f"{origin.path} is of the task {task!r}, not {config.task!r}")
    kept = {name: stored[name] for name in OF_THE_RUN if name in stored}
    data = {"data": Path(stored["data"])} if stored.get("data") else {}
    drawn: EvalConfig = fill(EvalConfig, {**kept, **data}, str(origin.path))
    names = {one.name for one in fields(ScoreConfig)} - {"run", "task"}
    own = {name: value for name in names if (value := getattr(config, name)) is not None}
    return replace(drawn, **own)


def described(settings: EvalConfig, assembly: Assembly, origin: StoredRun, argv: list[str]) -> dict[str, Any]:
    """run.json of the new judgement, which names the run it judges."""
    run = draft(settings, settings.task, assembly, argv)
    scored = {"run": origin.run["id"], "seal": origin.run["seal"], "reward": origin.run["reward"]["id"]}
    refinement = origin.run.get("refinement")
    identity = {**run["identity"], **refinement_identity(refinement), "run that is scored": origin.run["id"]}
    told = {"kind": "score", "argv": hidden(["score", *argv], secrets()), "scored": scored, "refinement": refinement}
    return {**run, **told, "identity": identity, "config_hash": hash_of(identity)}


def check_origin(origin: StoredRun, run: Mapping[str, Any]) -> None:
    """ValueError where the task is not what it was when the pictures were drawn."""
    before, now = origin.run["identity"], run["identity"]
    for name in ("task", "task hash", "images per prompt", "seed"):
        if before[name] != now[name]:
            raise ValueError(
                f"{origin.path} was drawn for another task than the one that is here now: "
                f"its {name} is {before[name]!r} there and {now[name]!r} here"
            )
