"""Whether a run folder is whole: seal, schemas, a verdict for every question, pictures, and figures made anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from harness.json_lines import read_lines
from harness.regression import MARGIN, figures, read_understanding
from harness.stored_picture import stored_picture
from harness.stored_run import StoredRun, open_run
from harness.summary import planned_keys, summarise
from harness.task_check import Report

SCHEMAS = Path(__file__).parent / "schemas"


def check_run(folder: Path) -> Report:
    """Everything that can be found out about a finished run; ValueError where it cannot be opened."""
    run = open_run(folder)
    rows, verdicts = run.rows(), run.verdicts()
    faults = [*misshapen(run), *unasked(run), *unseen(run, rows.values())]
    results = summarise(run.run, list(rows.values()), list(verdicts.values()))
    understanding = figures(read_understanding(folder), run.run["config"].get("margin", MARGIN))
    made = json.loads(json.dumps({**results, "understanding": understanding}))
    changed = [name for name, value in made.items() if value != run.results.get(name)]
    faults += [f"results.json: {name} is not what run.json and the rows make" for name in changed]
    pictures = sum(row["image"] is not None for row in rows.values())
    planned = len(planned_keys(run.run))
    facts = [
        f"run {run.run['id']}, {run.run['status']}, sealed",
        f"{len(rows)} of {planned} images, {pictures} pictures, {len(verdicts)} verdicts",
        f"model {run.run['model']['id']}, reward {run.run['reward']['id']}, verifier {run.run['verifier']['name']}",
    ]
    return Report(run.name, facts, faults, run.run["task"].get("findings", ()))


def misshapen(run: StoredRun) -> list[str]:
    """Files and lines that do not match their schemas."""
    found = [*against("run", [("run.json", run.run)]), *against("results", [("results.json", run.results)])]
    for name, schema in (("samples", "sample"), ("verdicts", "verdict")):
        lines = enumerate(read_lines(run.path / f"{name}.jsonl"), start=1)
        found += against(schema, ((f"line {number} of {name}.jsonl", line) for number, line in lines))
    return found


def against(schema: str, contents: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The first thing wrong with each content."""
    check = Draft202012Validator(json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8")))
    found = []
    for place, content in contents:
        error = next(check.iter_errors(content), None)
        if error is not None:
            where = "/".join(map(str, error.absolute_path))
            found.append(f"{place}: {where or 'the whole'}: {error.message}"[:300])
    return found


def unasked(run: StoredRun) -> list[str]:
    """Images of the plan without a row, and questions without a verdict."""
    rows, verdicts, questions = run.rows(), run.verdicts(), run.questions()
    found = []
    for sample, index in planned_keys(run.run):
        if (sample, index) not in rows:
            found.append(f"sample {sample!r} image {index} has no row")
            continue
        missing = [one for one in questions.get(sample, {}) if (sample, index, one) not in verdicts]
        found += [f"sample {sample!r} image {index} has no verdict on {one!r}" for one in missing]
    planned = set(planned_keys(run.run))
    return found + [f"sample {key[0]!r} image {key[1]} was never planned" for key in rows if key not in planned]


def unseen(run: StoredRun, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Pictures that are lost, cannot be read, or are no longer those of their names."""
    names = {row["image"]["sha256"]: (row["sample"], row["index"]) for row in rows if row["image"]}
    return [
        f"the picture of sample {sample!r} image {index} is lost or another"
        for name, (sample, index) in names.items()
        if stored_picture(run.path, name) is None
    ]
