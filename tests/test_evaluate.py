"""The evaluation loop: when rows are on disk, what a failure costs, what waits for what."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.assemble import Assembly, Job, build_reward, choose_plan, load_task
from harness.ending import Outage
from harness.evaluate import IN_FLIGHT, evaluate
from harness.main import run
from harness.model import Model, RequestFailed
from harness.record import Row
from harness.run_folder import RunStore
from reward.verdict import Score
from reward.verifier import Query, Reply
from tasks.sample import Failure, Generation, Request, Response
from tasks.task import Task

TASK: Task = load_task("scenes", {})


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws plain pictures as it is told to."""

    paint: Callable[[Request, int], Image.Image] = lambda request, seed: Image.new("RGB", (8, 8), (seed % 256, 0, 0))
    before: Callable[[Sequence[Request]], None] = lambda requests: None
    id: str = "painter"
    record: Mapping[str, Any] = field(default_factory=dict)

    def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
        self.before(requests)
        return [Response(self.paint(request, seed)) for request, seed in zip(requests, seeds, strict=True)]


@dataclass(frozen=True, slots=True)
class Agreeing:
    """Says yes to everything, once it is let."""

    before: Callable[[], Any] = lambda: None
    id: str = "agreeing"
    record: Mapping[str, Any] = field(default_factory=lambda: {"name": "agreeing", "mode": "rule"})

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.before()
        return [Reply("ok", "yes", {"yes": 1.0}) for _ in queries]


def assembly(model: Model, prompts: int = 5, verifier: Agreeing | None = None) -> Assembly:
    judge = verifier or Agreeing()
    samples, images, plan = choose_plan(TASK, 2, 0, prompts, ())
    return Assembly(Job(TASK, samples, images, plan, 0, judge, build_reward(TASK, judge)), model)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with closing(RunStore(tmp_path)) as one:
        yield one


def test_a_row_is_on_disk_while_the_model_makes_the_next_batch(store: RunStore) -> None:
    seen = []

    def look(_: Sequence[Request]) -> None:
        time.sleep(0.2)
        seen.append(len(store.rows()))

    evaluate(assembly(Painter(before=look)), store, 2)
    assert seen == [0, 2, 4, 6, 8]
    assert len(store.rows()) == 10


def test_the_model_works_on_while_the_verifier_thinks_but_not_without_end(store: RunStore) -> None:
    batches, let = [], threading.Event()

    def count(requests: Sequence[Request]) -> None:
        batches.append(len(requests))

    loop = threading.Thread(
        target=evaluate, args=(assembly(Painter(before=count), 20, Agreeing(let.wait)), store, 2), daemon=True
    )
    loop.start()
    time.sleep(0.3)
    ahead = len(batches)
    let.set()
    loop.join(timeout=30)
    assert ahead == IN_FLIGHT + 1
    assert sum(batches) == len(store.rows()) == 40


def test_an_interrupt_leaves_every_finished_picture_scored(store: RunStore) -> None:
    made = []

    def interrupt(requests: Sequence[Request]) -> None:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(len(requests))

    with pytest.raises(KeyboardInterrupt):
        evaluate(assembly(Painter(before=interrupt), verifier=Agreeing(lambda: time.sleep(0.05))), store, 2)
    assert len(store.done()) == 6


def test_a_bug_in_the_reward_keeps_the_rows_before_it(store: RunStore) -> None:
    calls = []

    def break_on_third() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        evaluate(assembly(Painter(), verifier=Agreeing(break_on_third)), store, 2)
    assert len(store.rows()) >= 4


def test_stopping_on_an_error_keeps_what_was_made(store: RunStore) -> None:
    def refuse(requests: Sequence[Request]) -> None:
        if any(request.prompt == TASK.samples[1].request.prompt for request in requests):
            raise RequestFailed(Failure("refused", "not this one"))

    with pytest.raises(Outage, match=r"stopped by --on-error stop: scenes-0002 image 0: refused: not this one"):
        evaluate(assembly(Painter(before=refuse)), store, 1, stop_on_error=True)
    rows = store.rows()
    assert [rows["scenes-0001", index]["status"] for index in (0, 1)] == ["ok", "ok"]
    assert rows["scenes-0002", 0]["status"] == "refused"
    assert len(rows) <= 3 + IN_FLIGHT


def test_a_request_that_always_raises_costs_one_row_of_its_batch(store: RunStore) -> None:
    def fail(requests: Sequence[Request]) -> None:
        if any(request.prompt == TASK.samples[2].request.prompt for request in requests):
            raise ValueError("this prompt breaks the model")

    told: list[Row] = []
    evaluate(assembly(Painter(before=fail)), store, 10, progress=told.append)
    statuses = [(row.sample, row.status, row.score) for row in told]
    assert [one for one in statuses if one[1] != "ok"] == [("scenes-0003", "generation_error", None)] * 2
    assert len(statuses) == 10
    assert store.rows()["scenes-0003", 0]["error"]["message"] == "ValueError: this prompt breaks the model"


def test_a_picture_that_cannot_be_decoded_costs_its_row(store: RunStore) -> None:
    def cut(request: Request, seed: int) -> Image.Image:
        stored = io.BytesIO()
        Image.effect_noise((32, 32), 50).convert("RGB").save(stored, "PNG")
        whole = request.prompt != TASK.samples[0].request.prompt
        return Image.open(io.BytesIO(stored.getvalue() if whole else stored.getvalue()[:150]))

    evaluate(assembly(Painter(cut)), store, 4)
    failed = {key for key, row in store.rows().items() if row["status"] == "generation_error"}
    assert failed == {("scenes-0001", 0), ("scenes-0001", 1)}


def test_a_model_that_loses_a_response_is_a_bug_and_not_a_row(store: RunStore) -> None:
    @dataclass(frozen=True, slots=True)
    class Forgetful:
        id: str = "forgetful"
        record: Mapping[str, Any] = field(default_factory=dict)

        def generate(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Response]:
            return [Response(Image.new("RGB", (8, 8))) for _ in seeds[1:]]

    with pytest.raises(RuntimeError, match="model forgetful gave 3 responses to 4 requests"):
        evaluate(assembly(Forgetful()), store, 4)


def test_what_is_there_is_not_made_again(store: RunStore) -> None:
    evaluate(assembly(Painter(), 3), store, 4)
    asked: list[int] = []
    evaluate(assembly(Painter(before=lambda requests: asked.append(len(requests))), 5), store, 16)
    assert asked == [4]


def test_scoring_is_asked_for_whole_batches_with_the_questions_of_all_images(store: RunStore) -> None:
    sizes = []

    class Counting:
        id, record, range = "counting", {}, (0.0, 1.0)

        def score(self, generations: Sequence[Generation]) -> list[Score]:
            sizes.append(len(generations))
            return [Score(1.0) for _ in generations]

    whole = assembly(Painter())
    job = Job(TASK, whole.job.samples, 2, whole.job.plan, 0, Agreeing(), Counting())
    evaluate(Assembly(job, whole.model), store, 4)
    assert sizes == [4, 4, 2]


def test_a_verifier_with_a_bug_is_told_with_its_traceback_and_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "-M", "tests.painter", "--verifier", "tests.mute", "--limit", "1", "-v", "quiet"]
    assert run([*arguments, "-o", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "gave 0 replies" in said
    ended = json.loads((tmp_path / "run.json").read_text())
    assert (ended["status"], ended["exit_code"], ended["error"]["type"]) == ("error", 1, "RuntimeError")


def test_the_folders_of_all_tasks_are_looked_at_before_the_first_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "-M", "tests.painter", "--limit", "1", "-v", "quiet", "-o", str(tmp_path)]
    assert run([*arguments, "--task", "scenes,tests.pair"]) == 0
    for path in (tmp_path / "scenes-tests.painter").iterdir():
        if path.is_file():
            path.unlink()
    assert run([*arguments, "--task", "scenes,tests.pair", "--seed", "3"]) == 2
    assert "tests.pair-tests.painter holds another run (seed is 0 there and 3 here)" in capsys.readouterr().err
    assert not (tmp_path / "scenes-tests.painter" / "samples.jsonl").exists()
