"""harness decompose: a file of prompts becomes a task of yes/no questions, by a language model or by rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from harness.arguments import parse_arguments
from harness.asked import told
from harness.ending import DONE, OUTAGE, SaveError
from harness.json_lines import json_line, read_lines, replace_text
from harness.offline import forbid_connections
from reward.budget import MILLION
from reward.decomposition import STEPS, Decomposed, decompose, wording, wordings_hash
from reward.verifier import Verifier, VerifierDown
from tasks.question_file import parsed

Alias = tyro.conf.arg
LETTERS, ANSWER = 4, 350
"""Letters of English that a token stands for, and tokens of an answer, about."""


@dataclass(frozen=True)
class DecomposeConfig:
    """Turn prompts into questions with parents and tags; the output is a task: `harness eval --task OUT.jsonl`."""

    prompts: tyro.conf.Positional[Path]
    """A text file with a prompt a line; or a JSONL file of `prompt`, with `id` or not, such as GenEval's metadata."""
    output_path: Annotated[Path | None, Alias(aliases=["-o"])] = None
    """File that is written, line by line; PROMPTS.questions.jsonl when not given. The same command goes on with it."""
    verifier: Literal["http", "local", "rules"] = "rules"
    """http asks a language model over OpenAI's chat protocol, local one of transformers in this process; rules knows
    scenes and GenEval's metadata."""
    verifier_args: str = ""
    """Arguments of http: model=, base_url=, price_in=, ...; of local: pretrained=, device=, batch=, ..."""
    name: str = ""
    """Name of the task; the file's when not given."""
    quality: bool = True
    """Whether questions about quality are asked for."""
    concurrency: int = 16
    """Prompts in work at once."""
    max_calls: int | None = None
    """Ask no more than so many times."""
    max_cost: float | None = None
    """Spend no more than this, by price_in= and price_out=, the prices of a million tokens."""
    limit: Annotated[int | None, Alias(aliases=["-L"])] = None
    """Only the first so many prompts."""
    dry_run: bool = False
    """Print calls, tokens and cost, about, and ask nothing."""
    offline: bool = False
    """Refuse every connection."""
    json: bool = False
    """Print counts as JSON."""


def main(arguments: list[str]) -> int:
    """Writes the task; 4 when prompts are left without questions, which are kept with the reason."""
    config = tyro.cli(DecomposeConfig, args=arguments, prog="harness decompose")
    if config.concurrency < 1:
        raise ValueError(f"--concurrency must be at least 1, not {config.concurrency}")
    if config.offline:
        forbid_connections()
    rows = read_prompts(config.prompts)[: config.limit]
    out = config.output_path or config.prompts.with_suffix(".questions.jsonl")
    head = head_of(config)
    done = lines_there(out, head)
    left = [row for row in rows if row["id"] not in done]
    if config.dry_run:
        show({"prompts": len(rows), "left": len(left), **forecast(config, left), "output_path": str(out)}, config.json)
        return DONE
    failed = write_all(config, head, out, left, bool(done))
    write_failures(out.with_suffix(".failures.jsonl"), failed)
    show({"prompts": len(rows), "written": len(rows) - len(failed), "failed": len(failed), "output_path": str(out)},
         config.json)  # fmt: skip
    for row in failed[:10]:
        print(f"harness: prompt {row['id']}: {row['error']}", file=sys.stderr)
    return OUTAGE if failed else DONE


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """The prompts, each with an id of its own; ValueError names the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the prompts file {path} cannot be read: {error}") from None
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"line {number} of {path}"
        row = parsed(line, place) if path.suffix in (".jsonl", ".json") else {"prompt": line.strip()}
        if not isinstance(row.get("prompt"), str) or not row["prompt"].strip():
            raise ValueError(f"{place} has no prompt")
        rows.append({**row, "id": str(row.get("id", f"{len(rows) + 1:05d}"))})
    names = [row["id"] for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path} holds two prompts with the id {name!r}")
    if not rows:
        raise ValueError(f"the prompts file {path} holds no prompts")
    return rows


def head_of(config: DecomposeConfig) -> dict[str, Any]:
    """The first line of the task."""
    version = "rules-1" if config.verifier == "rules" else wordings_hash()[:12]
    reward = {"combine": "geometric" if config.quality else "mean", "verifier": "http"}
    return {"task": config.name or config.prompts.stem, "version": version, "reward": reward}


def lines_there(out: Path, head: Mapping[str, Any]) -> set[str]:
    """Ids that an earlier run has written; ValueError for a file of another task or other wordings."""
    rows = read_lines(out)
    if not rows:
        return set()
    if rows[0] != head:
        raise ValueError(f"{out} was written as {json.dumps(rows[0])[:200]}; choose another --output-path")
    return {str(row["id"]) for row in rows[1:] if "id" in row}


def write_all(
    config: DecomposeConfig, head: Mapping[str, Any], out: Path, left: Sequence[Mapping[str, Any]], goes_on: bool
) -> list[dict[str, str]]:
    """Appends a line a prompt as it is finished; gives the prompts that have none, with the reason."""
    failed: list[dict[str, str]] = []
    found = by_rules_all(left) if config.verifier == "rules" else by_model(config, left)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        repair(out)
        with out.open("ab") as file:
            if not goes_on:
                file.truncate(0)
                file.write(json_line(head).encode())
            for row, made in found:
                if made.error:
                    failed.append({"id": row["id"], "prompt": row["prompt"], "error": made.error})
                    continue
                questions = [told(one) for one in made.questions]
                file.write(json_line({"id": row["id"], "prompt": row["prompt"], "questions": questions}).encode())
                file.flush()
    except OSError as error:
        raise SaveError(f"{out} cannot be written: {error.strerror}") from error
    return failed


def write_failures(path: Path, failed: Sequence[Mapping[str, str]]) -> None:
    """The prompts without questions, each with the reason; no file where there are none."""
    if failed:
        replace_text(path, "".join(json_line(row) for row in failed))
    else:
        path.unlink(missing_ok=True)


def repair(out: Path) -> None:
    """Cuts a torn last line off."""
    content = out.read_bytes() if out.exists() else b""
    if content and not content.endswith(b"\n"):
        with out.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def by_rules_all(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Decomposed]]:
    """Every prompt by rules."""
    from harness.scene_decomposition import by_rules

    for row in rows:
        questions = by_rules(row)
        why = "no rule knows it; --verifier http or local asks a language model"
        yield row, Decomposed(error=why) if questions is None else Decomposed(questions)


def by_model(
    config: DecomposeConfig, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], Decomposed]]:
    """Every prompt by the language model, as they are finished; so many are in work, and no more are waiting."""
    if not rows:
        return
    from harness.writer import open_writer

    budget = {"max_calls": config.max_calls, "max_cost": config.max_cost}
    limits = {name: value for name, value in budget.items() if value is not None}
    verifier = open_writer(config.verifier, parse_arguments(config.verifier_args), limits)
    left = iter(rows)
    with ThreadPoolExecutor(config.concurrency, "decompose") as crew:
        working: dict[Future[Decomposed], Mapping[str, Any]] = {}
        while True:
            for row in left:
                working[crew.submit(one_prompt, verifier, row["prompt"], config.quality)] = row
                if len(working) >= config.concurrency:
                    break
            if not working:
                return
            for future in wait(working, return_when=FIRST_COMPLETED).done:
                yield working.pop(future), future.result()


def one_prompt(verifier: Verifier, prompt: str, quality: bool) -> Decomposed:
    """One prompt; a model that is gone makes it a failure, so that the others are written."""
    try:
        return decompose(verifier, prompt, quality)
    except VerifierDown as error:
        return Decomposed(error=str(error))


def forecast(config: DecomposeConfig, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Calls, tokens and cost, about."""
    if config.verifier == "rules":
        return {"calls": 0}
    steps = STEPS if config.quality else STEPS[:2]
    extra = ANSWER * (len(steps) - 1)
    tokens_in = sum(sum(len(wording(step, row["prompt"])) for step in steps) // LETTERS + extra for row in rows)
    tokens_out = ANSWER * len(steps) * len(rows)
    given = parse_arguments(config.verifier_args)
    prices = [float(given.get(name, 0.0)) for name in ("price_in", "price_out")]
    cost = (tokens_in * prices[0] + tokens_out * prices[1]) / MILLION
    told = {"calls": len(steps) * len(rows), "tokens_in_about": tokens_in, "tokens_out_about": tokens_out}
    return {**told, "cost_about": round(cost, 4) if any(prices) else None}


def show(found: Mapping[str, Any], as_json: bool) -> None:
    """Counts, as lines or as JSON."""
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):18} {'no prices given' if value is None else value}")
