"""The evaluation loop: generate, score, append; one batch is scored while the next is made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from harness.assemble import Assembly
from harness.ending import Outage
from harness.guards import guards
from harness.model import Cell, Model, RequestFailed
from harness.picture import picture_name, plain
from harness.plan import share
from harness.record import Row, verdict_rows
from harness.run_folder import RunStore
from reward.reward import Reward
from reward.verdict import Score
from tasks.sample import Failure, Generation, Response, Sample

IN_FLIGHT = 2
"""Batches that may wait for their scores or be scored while the model works on."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Made:
    """A batch of generations and the seconds each of its images took."""

    cells: tuple[Cell, ...]
    generations: tuple[Generation, ...]
    seconds: float


def evaluate(
    assembly: Assembly,
    store: RunStore,
    batch_size: int,
    stop_on_error: bool = False,
    progress: Callable[[Row], None] = lambda _: None,
) -> None:
    """Makes and scores what the run folder does not hold yet; every row is on disk when this returns or raises.

    One thread scores a batch and writes its rows while the model makes the next: a signal, which reaches only the main
    thread, never falls between two halves of a row.
    """
    done = store.done()
    mine = share(assembly.job.plan, store.rank, store.processes)
    left = [cell for cell in mine if (cell.sample, cell.index) not in done]
    waiting: deque[Future[Sequence[Row]]] = deque()

    def settle(most: int) -> None:
        while waiting and (len(waiting) > most or waiting[0].done()):
            for row in waiting.popleft().result():
                if stop_on_error and row.status != "ok":
                    raise Outage(f"stopped by --on-error stop: {row.sample} image {row.index}: {told(row)}")

    with ThreadPoolExecutor(1, "score") as judge:  # leaving it, however, waits until every finished picture is scored
        for cells in chunks(left, batch_size):
            waiting.append(judge.submit(keep, assembly.job.reward, store, make(assembly, cells), progress))
            settle(IN_FLIGHT)
        settle(0)


def chunks(items: Sequence[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Consecutive groups of at most `size`."""
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def make(assembly: Assembly, cells: Sequence[Cell]) -> Made:
    """Generations of a batch; a request that fails is a generation with an error."""
    by_id = {sample.id: sample for sample in assembly.job.samples}
    start = time.perf_counter()
    outcomes = attempt(assembly.model, [by_id[cell.sample] for cell in cells], [cell.seed for cell in cells])
    generations = [
        Generation(by_id[cell.sample], cell.seed, outcome if isinstance(outcome, Response) else None,
                   outcome if isinstance(outcome, Failure) else None)
        for cell, outcome in zip(cells, outcomes, strict=True)
    ]  # fmt: skip
    return Made(tuple(cells), tuple(generations), (time.perf_counter() - start) / max(1, len(cells)))


def attempt(model: Model, samples: Sequence[Sample], seeds: Sequence[int]) -> list[Response | Failure]:
    """The model's responses; a batch that raises is asked for in halves, down to the requests that fail alone."""
    try:
        responses = [flatten(one) for one in model.generate([sample.request for sample in samples], seeds)]
    except RequestFailed as error:
        if len(samples) == 1:
            return [error.failure]
    except Exception as error:  # noqa: BLE001 - one request that fails becomes a row, not the end of the run
        if len(samples) == 1:
            return [Failure("generation_error", f"{type(error).__name__}: {error}")]
    else:
        if len(responses) != len(samples):
            raise RuntimeError(f"model {model.id} gave {len(responses)} responses to {len(samples)} requests")
        return [*responses]
    half = (len(samples) + 1) // 2
    return [*attempt(model, samples[:half], seeds[:half]), *attempt(model, samples[half:], seeds[half:])]


def flatten(response: Response | Failure) -> Response | Failure:
    """The response with a plain RGB image, which is what is judged, stored and shown; a failure as it is."""
    return response if isinstance(response, Failure) else replace(response, image=plain(response.image))


def keep(reward: Reward, store: RunStore, made: Made, progress: Callable[[Row], None]) -> list[Row]:
    """Scores a batch and puts its rows on disk."""
    rows = []
    for cell, generation, score in zip(made.cells, made.generations, reward.score(made.generations), strict=True):
        row = make_row(store, cell, generation, score, made.seconds)
        groups = {question.id: question.group for question in generation.sample.questions}
        store.append(row, verdict_rows((cell.sample, cell.index), groups, score))
        progress(row)
        rows.append(row)
    store.sync()
    return rows


def told(row: Row) -> str:
    """Status and reason of a row that failed."""
    return row.status if row.error is None else f"{row.status}: {row.error['message']}"


def make_row(store: RunStore, cell: Cell, generation: Generation, score: Score, seconds: float) -> Row:
    """The row of one image, its pictures saved."""
    response = generation.response
    for source in generation.sample.request.sources:
        store.save_image(source)
    return Row(
        sample=cell.sample,
        index=cell.index,
        seed=cell.seed,
        status=score.status,
        error=None if score.status == "ok" else {"type": score.status, "message": score.error},
        prompt=generation.sample.request.prompt,
        sources=tuple(picture_name(source) for source in generation.sample.request.sources),
        image=store.save_image(response.image) if response else None,
        thought=response.thought if response else "",
        drafts=tuple(
            {"image": str(store.save_image(draft.image)["sha256"]), "reflection": draft.reflection}
            for draft in (response.drafts if response else ())
        ),
        score=score.value,
        parts=score.parts,
        tags=generation.sample.tags,
        guards=guards(response.image) if response else {},
        seconds=round(seconds, 6),
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
