"""What --reason and --refine do to the embedded model, the tables of docs/reason.md: `python -m benchmarks.refine`.

A picture's reflection and its second drawing depend on its own seed and on no gate. So one run of `--gate all` holds
what every gate would give: where a gate leaves a picture alone, its draft is the result. `--check 4` runs every gate
by itself on so many prompts and compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from harness.assemble import build_verifier
from harness.gate import Candidate, Gate, VerifierGate, is_right
from harness.refinement_figures import first_of, refinement_figures
from harness.stored_picture import stored_picture
from harness.stored_run import StoredRun, open_run
from tasks.sample import Request

QUESTION = "Does this picture show {prompt}? Answer yes or no."
Row = Mapping[str, Any]
Chooses = Callable[[StoredRun, Row], bool]


@dataclass(frozen=True)
class Amount:
    """How much is measured, and where."""

    folder: Path = Path("runs/refine")
    """Folder of the runs; what is there already is not made again."""
    prompts: int = 48
    """Of `scenes`."""
    images: int = 4
    """Of each prompt."""
    check: int = 0
    """Run every gate by itself on so many prompts, and compare with what one run says of it."""
    reason: bool = True
    """Whether `scenes-reason` is measured with and without a plan."""


def evaluate(folder: Path, *arguments: str) -> StoredRun:
    """A run of the embedded model."""
    command = [sys.executable, "-m", "harness.main", "eval", "--model", "tiny", *arguments, "-v", "quiet"]
    subprocess.run([*command, "-o", str(folder)], check=True, stdout=subprocess.PIPE)
    return open_run(folder)


def every(_: StoredRun, __: Row) -> bool:
    """--gate all."""
    return True


def itself(_: StoredRun, row: Row) -> bool:
    """--gate self."""
    return "it matches" not in row["drafts"][0]["reflection"].lower()


def oracle(run: StoredRun, row: Row) -> bool:
    """--gate oracle."""
    first = first_of(row)
    return not is_right(first["score"], first["parts"], run.run["reward"]["range"][1])


def verifier(gate: Gate) -> Chooses:
    """--gate verifier."""

    def chooses(run: StoredRun, row: Row) -> bool:
        picture = stored_picture(run.path, row["drafts"][0]["image"])
        assert picture is not None
        return gate.choose([Candidate(Request(row["prompt"]), row["seed"], picture)]) == [True]

    return chooses


def gated(run: StoredRun, chooses: Chooses) -> list[Row]:
    """The rows of a run of `--gate all` as another gate would have left them; what they cost is not told."""
    rows = run.rows().values()
    return [row if chooses(run, row) else {**first_of(row), "drafts": []} for row in rows]


def line(name: str, found: Mapping[str, Any]) -> str:
    """A row of the table."""
    figures = {one["name"]: one for one in found["figures"]}
    correct, score, right = figures["correct"], figures["score"]["difference"], found["right"]
    cells = (
        name,
        f"{found['refined']['share']['value']:.3f}",
        f"{correct['before']['value']:.3f}",
        f"{correct['after']['value']:.3f}",
        told(correct["difference"]),
        told(score),
        str(right["repaired"]),
        str(right["broken"]),
    )
    return "| " + " | ".join(cells) + " |"


def told(difference: Mapping[str, Any]) -> str:
    """`+0.021 [-0.010, +0.052]`"""
    return f"{difference['value']:+.3f} [{difference['ci']['low']:+.3f}, {difference['ci']['high']:+.3f}]"


def check(amount: Amount, gates: Mapping[str, tuple[list[str], Chooses]], whole: StoredRun) -> None:
    """Runs each gate by itself; AssertionError where its pictures are not those that one run holds for it."""
    size = ["--task", "scenes", "--limit", str(amount.check), "--num-images", str(amount.images)]
    for name, (arguments, chooses) in gates.items():
        own = evaluate(amount.folder / f"check-{name}".replace(" ", "-"), *size, "--refine", "1", *arguments)
        for key, row in own.rows().items():
            held = whole.rows()[key]
            wanted = held["image"]["sha256"] if chooses(whole, held) else held["drafts"][0]["image"]
            assert row["image"]["sha256"] == wanted, (name, key)
        print(f"{name}: {len(own.rows())} pictures are those of its own run", flush=True)


def main() -> None:
    """Prints the tables."""
    amount = tyro.cli(Amount)
    size = ["--task", "scenes", "--limit", str(amount.prompts), "--num-images", str(amount.images), "--refine", "1"]
    doubts = {
        question: VerifierGate(build_verifier("tiny", {}), question, 0.5)
        for question in (QUESTION, "Is there {prompt}?")
    }
    asked = ["--gate", "verifier", "--gate-verifier", "tiny"]
    gates: dict[str, tuple[list[str], Chooses]] = {
        "all": ([], every),
        "self": (["--gate", "self"], itself),
        "verifier tiny": (asked, verifier(doubts[QUESTION])),
        "verifier tiny, is there": (
            [*asked, "--gate-question", "Is there {prompt}?"],
            verifier(doubts["Is there {prompt}?"]),
        ),
        "oracle": (["--gate", "oracle"], oracle),
    }
    whole = evaluate(amount.folder / "open", *size)
    print("| gate | refined | correct before | after | difference | of the score | repaired | broken |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (_, chooses) in gates.items():
        print(line(name, refinement_figures(whole.run, gated(whole, chooses))), flush=True)
    failure = evaluate(amount.folder / "assert_failure", *size, "--reflection", "assert_failure")
    print(line("all, assert_failure", failure.results["refinement"]), flush=True)
    print(json.dumps({one.path.name: one.results["refinement"]["cost"] for one in (whole, failure)}, indent=1))
    if amount.check:
        check(amount, gates, whole)
    for more in (["--reason"], []) if amount.reason else ():
        results = evaluate(amount.folder / f"reason{len(more)}", "--task", "scenes-reason", *more).results
        for one in (one for one in results["metrics"] if one["name"] in ("correct", "score")):
            ends = f"[{one['ci']['low']:.3f}, {one['ci']['high']:.3f}]"
            print(f"scenes-reason {' '.join(more)} {one['name']}: {one['value']:.3f} {ends}", flush=True)


if __name__ == "__main__":
    main()
