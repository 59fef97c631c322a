"""harness eval: generate, verify, score, and print the table."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from harness.arguments import parse_arguments
from harness.assemble import Assembly, Job, build_model, build_reward, build_verifier, choose_plan, load_task
from harness.claim import others, turn
from harness.ending import INTERRUPTED, OUTAGE, PREEMPTED, Outage, Preempted
from harness.evaluate import Stopped, evaluate
from harness.identity import check_same, describe, served, told
from harness.model import Cell, Setting
from harness.offline import forbid_connections
from harness.record import Row, RunRecord
from harness.run_folder import RunStore, write_json
from harness.settings import read_settings
from harness.statistics import detectable_before
from harness.summary import summarise
from harness.table import print_results, progress_bar
from tasks.sample import Sample
from tasks.task import Task

Alias = tyro.conf.arg


@dataclass(frozen=True)
class EvalConfig:
    """Score a model on a task. `--config FILE` reads these names from YAML, HARNESS_<NAME> from the environment."""

    model: Annotated[str, Alias(aliases=["-M"])] = "tiny"
    """A name printed by `harness ls models`, or a dotted module of your own."""
    model_args: Annotated[str, Alias(aliases=["-a"])] = ""
    """Arguments of the model: k=v,k=v, JSON, or @file.json."""
    task: Annotated[str, Alias(aliases=["-t", "--tasks"])] = "scenes"
    """A name printed by `harness ls tasks`, or a dotted module; several with commas between them."""
    task_args: str = ""
    """Arguments of the task."""
    verifier: str | None = None
    """A name printed by `harness ls verifiers`, or a dotted module; the task's own when not given."""
    verifier_args: str = ""
    """Arguments of the verifier."""
    output_path: Annotated[Path | None, Alias(aliases=["-o"])] = None
    """Folder of the run; with several tasks, of one folder each. runs/TASK-MODEL when not given."""
    limit: Annotated[float | None, Alias(aliases=["-L"])] = None
    """Only the first N prompts, or that share of them when below 1."""
    samples: Annotated[str, Alias(aliases=["-E"])] = ""
    """Only these sample ids, with commas between them."""
    num_images: Annotated[int | None, Alias(aliases=["--repeats"])] = None
    """Images a prompt; the task's own number when not given."""
    seed: int = 0
    """Decides every image's own seed."""
    batch_size: Annotated[int, Alias(aliases=["-b"])] = 16
    """Images asked of the model at once; changes no image."""
    device: str = "cpu"
    """Torch device of the model."""
    min_coverage: float = 0.98
    """Share of images that must have a score for a headline."""
    on_error: Literal["mask", "stop"] = "mask"
    """Whether a failed image leaves a row without a value, or ends the run."""
    resume: Literal["auto", "none"] = "auto"
    """Go on with what the folder holds of this very run, or refuse a folder that holds any."""
    dry_run: bool = False
    """Print what would be made, and make nothing."""
    offline: bool = False
    """Refuse every connection."""
    json: bool = False
    """Print the results as JSON instead of a table."""
    verbosity: Annotated[Literal["normal", "quiet"], Alias(aliases=["-v"])] = "normal"
    """quiet shows no progress."""


def main(arguments: list[str]) -> int:
    """Runs every task asked for, with the model loaded once; gives the worst exit code."""
    defaults, rest = read_settings(EvalConfig, arguments)
    config = tyro.cli(EvalConfig, args=rest, default=defaults, prog="harness eval")
    if config.batch_size < 1:
        raise ValueError(f"--batch-size must be at least 1, not {config.batch_size}")
    if config.offline:
        forbid_connections()
    names = [name.strip() for name in config.task.split(",") if name.strip()]
    folders = [output_folder(config, name, len(names) > 1) for name in names]
    if config.dry_run:
        return max(dry_run(config, name, folder) for name, folder in zip(names, folders, strict=True))
    signal.signal(signal.SIGTERM, _preempt)
    signal.signal(signal.SIGUSR1, _preempt)
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    stores = [RunStore(folder, rank, processes) for folder in folders]
    for store in stores:
        store.probe()
    jobs = [prepare(config, name) for name in names]
    setting = Setting(config.device, tuple(cell for job in jobs for cell in job.plan))
    model = build_model(config.model, parse_arguments(config.model_args), setting)
    return max(
        run_job(config, name, Assembly(job, model), store, arguments)
        for name, job, store in zip(names, jobs, stores, strict=True)
    )


def _preempt(number: int, _frame: object) -> None:
    raise Preempted(signal.Signals(number).name)


def run_job(config: EvalConfig, name: str, assembly: Assembly, store: RunStore, argv: list[str]) -> int:
    """One task in one run folder."""
    settings = {**asdict(config), "task": name, "output_path": str(config.output_path or "")}
    run = begin(config, store, describe(assembly, settings, ["eval", *argv]))
    record = carry_out(config, assembly, store, run)
    if record is None:
        return 0
    if config.json:
        print(json.dumps(record.results, sort_keys=True, indent=1))
    else:
        print_results(record.run, record.results, str(store.path))
    return int(record.run["exit_code"] or 0)


def begin(config: EvalConfig, store: RunStore, run: dict[str, Any]) -> dict[str, Any]:
    """Claims the folder for this run, new or going on; the first process of several decides its id."""
    found = store.found()
    if found is not None:
        if config.resume == "none":
            raise ValueError(f"{store.path} holds a run already; choose another --output-path or --resume auto")
        check_same(found, run, store.path)
    store.claim()
    if store.rank == 0:
        run = {**run, "id": found["id"], "started": found["started"]} if found else run
        write_json(store.path / "run.json", run)
        return run
    for _ in range(600):
        found = store.found()
        if found is not None and found["config_hash"] == run["config_hash"]:
            return {**run, "id": found["id"], "started": found["started"]}
        time.sleep(0.1)
    raise ValueError(f"process {store.rank} waited a minute for run.json of the first process in {store.path}")


def output_folder(config: EvalConfig, name: str, several: bool) -> Path:
    """Where a task's run is written."""
    own = f"{name}-{config.model}".replace("/", "_")
    if config.output_path is None:
        return Path("runs") / own
    return config.output_path / own if several else config.output_path


def prepare(config: EvalConfig, name: str) -> Job:
    """A task, its plan, its verifier and its reward, by name."""
    task, samples, images, plan = chosen(config, name)
    verifier = build_verifier(config.verifier or task.reward.verifier, parse_arguments(config.verifier_args))
    return Job(task, samples, images, plan, config.seed, verifier, build_reward(task, verifier))


def chosen(config: EvalConfig, name: str) -> tuple[Task, tuple[Sample, ...], int, tuple[Cell, ...]]:
    """A task by name, the part of it that is asked for, and the plan."""
    task = load_task(name, parse_arguments(config.task_args))
    ids = [one.strip() for one in config.samples.split(",") if one.strip()]
    return task, *choose_plan(task, config.num_images, config.seed, config.limit, ids)


def carry_out(config: EvalConfig, assembly: Assembly, store: RunStore, run: dict[str, Any]) -> RunRecord | None:
    """Makes and scores what is missing; run.json says how it ended, whatever happens.

    Of several processes the last to finish merges the rows and gives the record; the others give None.
    """
    ending: dict[str, Any] = {"status": "error", "exit_code": 1, "error": None}
    last = True
    try:
        store.repair()
        make_all(config, assembly, store)
        store.close()
        with turn(store.path):
            last = not others(store.path, store.rank)
            if not last:
                return None
            store.merge([(cell.sample, cell.index) for cell in assembly.job.plan])
            verdicts = list(store.verdicts().values())
            results = summarise(run, list(store.rows().values()), verdicts)
            ending["verifier"] = {**run["verifier"], "served": served(verdicts)}
            write_json(store.path / "results.json", results)
        ending |= {"status": results["status"], "exit_code": OUTAGE if results["withheld"] else 0}
        return RunRecord({**run, **ending}, results)
    except Stopped as failure:
        ending |= {"exit_code": OUTAGE, "error": told(failure)}
        raise Outage(f"stopped by --on-error stop: {failure}") from None
    except (KeyboardInterrupt, Preempted) as stop:
        ending |= {
            "status": "cancelled",
            "exit_code": INTERRUPTED if isinstance(stop, KeyboardInterrupt) else PREEMPTED,
        }
        raise
    except Exception as failure:
        ending["error"] = told(failure)
        raise
    finally:
        store.close()
        if last:
            ending["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
            write_json(store.path / "run.json", {**run, **ending})


def make_all(config: EvalConfig, assembly: Assembly, store: RunStore) -> None:
    """The evaluation under a progress bar."""
    done = sum(row["status"] == "ok" for row in store.rows().values())
    with progress_bar(len(assembly.job.plan), done, config.verbosity == "quiet") as bar:

        def advance(_: Row) -> None:
            if bar is not None:
                bar.advance(bar.task_ids[0])

        evaluate(assembly, store, config.batch_size, config.on_error == "stop", advance)


def dry_run(config: EvalConfig, name: str, folder: Path) -> int:
    """What a run would make, from the task alone."""
    task, samples, images, plan = chosen(config, name)
    found: Mapping[str, Any] = {
        "task": f"{task.name}@{task.version} {task.split}",
        "prompts": len(samples),
        "images": len(plan),
        "questions": sum(len(sample.questions) for sample in samples) * images,
        "detectable_points_unpaired": round(100 * detectable_before(0.5, len(samples), images, paired=False), 1),
        "detectable_points_paired": round(100 * detectable_before(0.5, len(samples), images, paired=True), 1),
        "output_path": str(folder),
    }
    if config.json:
        print(json.dumps(found, indent=1))
    else:
        for key, value in found.items():
            print(f"{key.replace('_', ' '):28} {value}")
        print("nothing was made")
    return 0
