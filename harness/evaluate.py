"""The evaluation loop: generate, score, append; one batch is scored while the next is made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from harness.assemble import Assembly
from harness.ending import Outage
from harness.guards import guards
from harness.judged import Judged, draft_rows, judge
from harness.model import Cell, Model, RequestFailed
from harness.picture import picture_name, plain
from harness.plan import share
from harness.record import Row, verdict_rows
from harness.run_folder import RunStore
from harness.shown import failure_of
from harness.stored_picture import drop_pictures, stored_response
from harness.unscored import Unscored
from reward.reward import Reward
from reward.verifier import VerifierDown
from tasks.sample import Failure, Generation, Response, Sample

IN_FLIGHT = 2
"""Batches that may wait for their scores or be scored while the model works on."""
SMALL, LARGE = 8, 256
"""Where a batch size that finds itself begins, and where it ends."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Made:
    """A batch of generations, and the seconds that each of its images took."""

    cells: tuple[Cell, ...]
    generations: tuple[Generation, ...]
    seconds: tuple[float, ...]
    fitting: int | None = None
    """The largest batch that memory had room for, where it ran out."""


def evaluate(
    assembly: Assembly,
    store: RunStore,
    batch_size: int | None,
    stop_on_error: bool = False,
    progress: Callable[[Row], None] = lambda _: None,
) -> None:
    """Makes and scores what the run folder does not hold yet; every row is on disk when this returns or raises.

    One thread scores a batch and writes its rows while the model makes the next: a signal, which reaches only the main
    thread, never falls between two halves of a row. A picture that lies there without a score is scored and not made
    again. A batch size of None begins small and doubles while memory lasts.
    """
    mine = share(assembly.job.plan, store.rank, store.processes)
    waiting: deque[Future[Sequence[Row]]] = deque()
    size, grows = batch_size or SMALL, batch_size is None

    with ThreadPoolExecutor(1, "score") as scorer:  # leaving it, however, waits until every finished picture is scored

        def pass_on(made: Made) -> None:
            waiting.append(scorer.submit(keep, assembly.job.reward, store, made, progress))
            settle(waiting, IN_FLIGHT, stop_on_error)

        left, lying = undone(store, mine)
        for cells in chunks(list(lying), size):
            found = reread(assembly, store, {cell: lying[cell] for cell in cells})
            pass_on(found)
            lost = [cell for cell in cells if cell not in found.cells]
            for cell in lost:
                drop_pictures(store.path, lying[cell])
            left += lost
        while left:
            made, left = make(assembly, left[:size]), left[size:]
            pass_on(made)
            if made.fitting is not None:
                size, grows = made.fitting, False
            elif grows:
                size = min(2 * size, LARGE)
        settle(waiting, 0, stop_on_error)


def settle(waiting: deque[Future[Sequence[Row]]], most: int, stop_on_error: bool) -> None:
    """Waits until at most so many batches are unscored; Outage for a failed row where the run is to stop at one."""
    while waiting and (len(waiting) > most or waiting[0].done()):
        for row in waiting.popleft().result():
            if stop_on_error and row.status != "ok":
                raise Outage(f"stopped by --on-error stop: {row.sample} image {row.index}: {told(row)}")


def undone(store: RunStore, mine: Sequence[Cell]) -> tuple[list[Cell], dict[Cell, dict[str, Any]]]:
    """The cells of this process whose picture is to be made, and the rows of those that lie there without a score."""
    done, rows = store.done(), store.rows()
    left = [cell for cell in mine if (cell.sample, cell.index) not in done]
    lying = {cell: row for cell in left if (row := rows.get((cell.sample, cell.index))) and row["image"]}
    return [cell for cell in left if cell not in lying], lying


def chunks(items: Sequence[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Consecutive groups of at most `size`."""
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def reread(assembly: Assembly, store: RunStore, rows: Mapping[Cell, Mapping[str, Any]]) -> Made:
    """The pictures of earlier rows as generations, with the seconds they took; one that cannot be read is left out."""
    by_id = samples_of(assembly)
    responses = {cell: stored_response(store.path, row) for cell, row in rows.items()}
    found = {cell: response for cell, response in responses.items() if response is not None}
    generations = (Generation(by_id[cell.sample], cell.seed, response) for cell, response in found.items())
    return Made(tuple(found), tuple(generations), tuple(float(rows[cell]["seconds"]) for cell in found))


def samples_of(assembly: Assembly) -> dict[str, Sample]:
    """Samples by their ids."""
    return {sample.id: sample for sample in assembly.job.samples}


def make(assembly: Assembly, cells: Sequence[Cell]) -> Made:
    """Generations of a batch; a request that fails is a generation with an error."""
    by_id, start = samples_of(assembly), time.perf_counter()
    samples, seeds = [by_id[cell.sample] for cell in cells], [cell.seed for cell in cells]
    lost = [failure_of(sample) for sample in samples]
    ready = [place for place, failure in enumerate(lost) if failure is None]
    drawn, fitting = attempt(assembly.model, [samples[one] for one in ready], [seeds[one] for one in ready])
    made = iter(drawn)
    outcomes = [next(made) if failure is None else failure for failure in lost]
    generations = [
        Generation(sample, seed, None, outcome) if isinstance(outcome, Failure) else Generation(sample, seed, outcome)
        for sample, seed, outcome in zip(samples, seeds, outcomes, strict=True)
    ]
    seconds = (time.perf_counter() - start) / max(1, len(cells))
    return Made(tuple(cells), tuple(generations), (seconds,) * len(cells), fitting)


def attempt(
    model: Model, samples: Sequence[Sample], seeds: Sequence[int]
) -> tuple[list[Response | Failure], int | None]:
    """The model's responses, and the largest batch that fitted where memory ran out.

    A batch that raises is asked for in halves, down to the requests that fail alone.
    """
    crowded = False
    if not samples:
        return [], None
    try:
        responses = [flatten(one) for one in model.generate([sample.request for sample in samples], seeds)]
    except VerifierDown:  # a gate's: what it would have decided is not the model's failure
        raise
    except RequestFailed as error:
        if len(samples) == 1:
            return [error.failure], None
    except Exception as error:  # noqa: BLE001 - one request that fails becomes a row, not the end of the run
        if len(samples) == 1:
            return [Failure("generation_error", f"{type(error).__name__}: {error}")], None
        crowded = out_of_memory(error)
    else:
        if len(responses) != len(samples):
            raise RuntimeError(f"model {model.id} gave {len(responses)} responses to {len(samples)} requests")
        return [*responses], None
    half = (len(samples) + 1) // 2
    halves = [attempt(model, samples[part], seeds[part]) for part in (slice(None, half), slice(half, None))]
    fitting = [most for _, most in halves if most is not None] or ([half] if crowded else [])
    return [outcome for outcomes, _ in halves for outcome in outcomes], min(fitting, default=None)


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, in torch's words too, which need not be imported here."""
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__


def flatten(response: Response | Failure) -> Response | Failure:
    """The response with a plain RGB image, which is what is judged, stored and shown; a failure as it is."""
    return response if isinstance(response, Failure) else replace(response, image=plain(response.image))


def keep(reward: Reward, store: RunStore, made: Made, progress: Callable[[Row], None]) -> list[Row]:
    """Scores a batch and puts its rows on disk; where scoring raises, the pictures are kept and scored another time."""
    try:
        judged = judge(reward, made.generations)
    except Exception as error:
        reason = f"not scored: {type(error).__name__}: {error}"
        write_rows(store, made, judge(Unscored(reason), made.generations), progress)
        raise
    return write_rows(store, made, judged, progress)


def write_rows(store: RunStore, made: Made, judged: Sequence[Judged], progress: Callable[[Row], None]) -> list[Row]:
    """The rows of a batch, on disk."""
    rows = []
    for cell, generation, one, seconds in zip(made.cells, made.generations, judged, made.seconds, strict=True):
        row = make_row(store, cell, generation, one, seconds)
        groups = {question.id: question.group for question in generation.sample.questions}
        store.append(row, verdict_rows((cell.sample, cell.index), groups, one.score))
        progress(row)
        rows.append(row)
    store.sync()
    return rows


def told(row: Row) -> str:
    """Status and reason of a row that failed."""
    return row.status if row.error is None else f"{row.status}: {row.error['message']}"


def make_row(store: RunStore, cell: Cell, generation: Generation, judged: Judged, seconds: float) -> Row:
    """The row of one image, its pictures saved."""
    response, score = generation.response, judged.score
    sources = () if failure_of(generation.sample) else generation.sample.request.sources
    for source in sources:
        store.save_image(source)
    return Row(
        sample=cell.sample,
        index=cell.index,
        seed=cell.seed,
        status=score.status,
        error=None if score.status == "ok" else {"type": score.status, "message": score.error},
        prompt=generation.sample.request.prompt,
        sources=tuple(picture_name(source) for source in sources),
        image=store.save_image(response.image) if response else None,
        thought=response.thought if response else "",
        drafts=draft_rows(store, response, judged.drafts),
        refinement=asdict(response.refinement) if response and response.refinement else None,
        score=score.value,
        parts=score.parts,
        tags=generation.sample.tags,
        guards=guards(response.image) if response else {},
        seconds=round(seconds, 6),
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        tokens=response.tokens if response else (0, 0),
    )
