"""harness eval: generate, verify, score, and print the table."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import tyro

from harness.asked import write_questions
from harness.assemble import Assembly, Job, build_model
from harness.ending import DONE, GATE, OUTAGE, Preempted
from harness.eval_config import CACHE_FLAGS, EvalConfig, check_ranges, offer_data, resolved
from harness.evaluate import evaluate
from harness.forecast import forecast, print_forecasts
from harness.gate import Gate
from harness.identity import check_same, describe, ending_of, model_arguments, served
from harness.job import judged, output_folder, prepare, task_names
from harness.json_lines import hidden, write_json
from harness.left_clean import left_clean
from harness.model import Model, Setting
from harness.offline import forbid_connections
from harness.process import own_device, place_in_launch
from harness.record import Key, Row, RunRecord
from harness.refining import build_gate, refine
from harness.regression import beside, failed, figures, read_understanding, write_understanding
from harness.run_folder import ResumeError, RunStore
from harness.seal import sealed
from harness.settings import read_settings, with_value
from harness.stored_run import FINISHED
from harness.summary import summarise
from harness.table import print_results, progress_bar
from reward.cache import default_folder
from reward.secret import redact, secrets


def main(arguments: list[str]) -> int:
    """Runs every task asked for, with the model loaded once; gives the worst exit code."""
    defaults, rest = read_settings(EvalConfig, with_value(arguments, CACHE_FLAGS, str(default_folder())))
    config = tyro.cli(EvalConfig, args=rest, default=defaults, prog="harness eval")
    check_ranges(config)
    offer_data(config.data, config.accept_licence)
    if config.offline:
        forbid_connections()
    names = task_names(config)
    folders = [output_folder(config, name, len(names) > 1) for name in names]
    if config.dry_run:
        forecasts = [forecast(config, name, folder) for name, folder in zip(names, folders, strict=True)]
        print_forecasts(forecasts, config.json)
        return DONE
    signal.signal(signal.SIGTERM, preempt)
    signal.signal(signal.SIGUSR1, preempt)
    jobs = [prepare(config, name) for name in names]
    gates = [build_gate(config, job) if config.refine else None for job in jobs]
    rank, processes = place_in_launch()
    stores = [RunStore(folder, rank, processes) for folder in folders]
    for store in stores:
        store.probe()
    with left_clean(folders):
        assemblies = load(config, jobs, gates)
    runs = [draft(config, name, one, arguments) for name, one in zip(names, assemblies, strict=True)]
    for store, run in zip(stores, runs, strict=True):
        if known(config, store, run):
            store.verdicts()  # a damaged line is told before anything is made
    if config.verbosity != "quiet":
        print(redact(resolved(config)), file=sys.stderr)
    records = {
        name: run_job(config, assembly, store, run)
        for name, assembly, store, run in zip(names, assemblies, stores, runs, strict=True)
    }
    done = {name: record for name, record in records.items() if record is not None}
    if config.json and done:
        found = {name: record.results for name, record in done.items()}
        print(json.dumps(found if len(names) > 1 else found[names[0]], sort_keys=True, indent=1))
    return max((int(record.run["exit_code"]) for record in done.values()), default=0)


def load(config: EvalConfig, jobs: Sequence[Job], gates: Sequence[Gate | None]) -> list[Assembly]:
    """Every job with the one model, which refines where there is a gate."""
    plan = tuple(cell for job in jobs for cell in job.plan)
    setting = Setting(own_device(config.device), plan, config.trust_remote_code)
    model = build_model(config.model, model_arguments(asdict(config)), setting)
    models = [model if gate is None else refine(config, gate, model) for gate in gates]
    asked = asking(config, model)
    return [Assembly(judged(config, job, model), one, asked) for job, one in zip(jobs, models, strict=True)]


def asking(config: EvalConfig, model: Model) -> Callable[[], Sequence[Mapping[str, Any]]] | None:
    """Asks the model once what it understands, whatever number of tasks; ValueError for a model that cannot answer."""
    if not config.regress:
        return None
    from harness.understanding import check_tasks, reader_of, understand

    check_tasks(config.regress)
    reader_of(model)
    return cache(partial(understand, model, config.regress))


def preempt(number: int, _frame: object) -> None:
    """What SIGTERM and SIGUSR1 do."""
    raise Preempted(signal.Signals(number).name)


def draft(config: EvalConfig, name: str, assembly: Assembly, argv: list[str]) -> dict[str, Any]:
    """run.json of one task as it would begin now."""
    paths = {one: str(getattr(config, one) or "") for one in ("output_path", "data", "use_cache", "baseline")}
    settings = {**asdict(config), **paths, "task": name}
    run: dict[str, Any] = hidden(describe(assembly, settings, ["eval", *argv]), secrets())
    return run


def run_job(config: EvalConfig, assembly: Assembly, store: RunStore, run: dict[str, Any]) -> RunRecord | None:
    """One task in one run folder, its table printed; None where another process finishes the run."""
    record = carry_out(config, assembly, store, begin(config, store, run, keys(assembly)))
    if record is not None and not config.json:
        print_results(record.run, record.results, str(store.path))
    return record


def known(config: EvalConfig, store: RunStore, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The beginning of this very run, if the folder holds it; ResumeError for a folder that holds another."""
    found = store.found()
    if found is not None:
        if config.resume == "none":
            raise ResumeError(f"{store.path} holds a run already; choose another --output-path or --resume auto")
        check_same(found, run, store.path)
    return found


def begin(config: EvalConfig, store: RunStore, run: dict[str, Any], planned: list[Key]) -> dict[str, Any]:
    """Claims the folder for this run, new or going on; the first process of several decides its id."""
    found = known(config, store, run)
    store.claim(planned)
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


def carry_out(config: EvalConfig, assembly: Assembly, store: RunStore, run: dict[str, Any]) -> RunRecord | None:
    """Makes and scores what is missing; run.json says how it ended, whatever happens.

    Of several processes the last to finish merges the rows and gives the record; the others give None.
    """
    ending: dict[str, Any] = {}
    last = True
    try:
        if store.rank == 0:
            write_questions(store.path, assembly.job.samples)
        make_all(config, assembly, store)
        if store.rank == 0 and assembly.understand is not None:
            write_understanding(store.path, beside(assembly.understand(), config.baseline))
        last = store.finish(keys(assembly))
        if not last:
            return None
        verdicts = list(store.verdicts().values())
        understanding = figures(read_understanding(store.path), config.margin)
        results = {**summarise(run, list(store.rows().values()), verdicts), "understanding": understanding}
        write_json(store.path / "results.json", results)
        code = OUTAGE if not is_whole(config, results) else GATE if failed(understanding) else DONE
        ending = {"verifier": {**run["verifier"], "served": served(verdicts)}, "exit_code": code}
        ending["status"] = results["status"]
        return RunRecord({**run, **ending}, results)
    except BaseException as failure:
        ending = ending_of(failure)
        raise
    finally:
        store.close()
        if last:
            ending["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
            ended = {**run, **ending}
            write_json(store.path / "run.json", sealed(ended, store.path) if ended["status"] in FINISHED else ended)


def is_whole(config: EvalConfig, results: Mapping[str, Any]) -> bool:
    """Whether the run found what it was asked for: a headline, or under --predict-only the pictures."""
    if not config.predict_only:
        return not results["withheld"]
    return int(results["cost"]["generate"]["calls"]) >= config.min_coverage * int(results["n"]["images"])


def keys(assembly: Assembly) -> list[Key]:
    """Every planned image."""
    return [(cell.sample, cell.index) for cell in assembly.job.plan]


def make_all(config: EvalConfig, assembly: Assembly, store: RunStore) -> None:
    """The evaluation under a progress bar; a wrong value is nobody's configuration any more, but a bug."""
    with progress_bar(len(assembly.job.plan), len(store.done()), config.verbosity == "quiet") as bar:

        def advance(_: Row) -> None:
            if bar is not None:
                bar.advance(bar.task_ids[0])

        try:
            evaluate(
                assembly,
                store,
                None if config.batch_size == "auto" else config.batch_size,
                config.on_error == "stop",
                advance,
            )
        except ValueError as error:
            raise RuntimeError(f"the run of {assembly.job.task.name} has failed: {error}") from error
