"""The run folder: rows on disk, pictures by their content, JSON that matches its schemas."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.ending import Damaged, SaveError
from harness.json_lines import read_lines, write_json
from harness.main import run
from harness.picture import picture_name
from harness.record import Row
from harness.run_folder import RunStore

ROOT = Path(__file__).parent.parent
FAST = ["eval", "--model", "tests.painter", "--verbosity", "quiet"]


def row(sample: str, index: int = 0, status: str = "ok", score: float | None = 1.0) -> Row:
    return Row(sample, index, 0, status, None, "", (), None, "", (), score, {}, (), {}, 0.0, "now")  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with closing(RunStore(tmp_path)) as one:
        yield one


def validator(name: str) -> Any:
    """Checks against one of the schemas in the package."""
    jsonschema = pytest.importorskip("jsonschema", reason="the dev extra installs jsonschema")
    schema = json.loads((ROOT / "harness" / "schemas" / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--limit", "4"], 0),
        (["--limit", "4", "--verifier", "tests.flaky"], 4),
        (["--limit", "12", "-a", "fail_on=heart", "--min-coverage", "0.3"], 0),
        (["--limit", "4", "-a", "fail_on=a"], 4),
    ],
)
def test_what_a_run_leaves_matches_the_schemas(tmp_path: Path, more: list[str], code: int) -> None:
    assert run([*FAST, *more, "-o", str(tmp_path)]) == code
    for name in ("run", "results"):
        validator(name).validate(json.loads((tmp_path / f"{name}.json").read_text()))
    for name in ("sample", "verdict"):
        check, lines = validator(name), read_lines(tmp_path / f"{name}s.jsonl")
        assert lines
        for line in lines:
            check.validate(line)


def test_a_schema_refuses_a_value_with_another_status_than_ok(tmp_path: Path) -> None:
    assert run([*FAST, "--limit", "1", "-o", str(tmp_path)]) == 0
    for name, field in (("sample", "score"), ("verdict", "value")):
        line = read_lines(tmp_path / f"{name}s.jsonl")[0]
        check = validator(name)
        assert check.is_valid(line)
        assert not check.is_valid({**line, "status": "timeout"})
        assert not check.is_valid({**line, field: None})
        assert not check.is_valid({**line, "another": 1})


def test_a_picture_is_named_by_its_pixels(tmp_path: Path) -> None:
    red = Image.new("RGB", (1, 1), (255, 0, 0))
    name = "48d9bb4fd74f4b0c71a0f20732ed68d339ac5eaf22b6e9ba3c69b5886c448e61"
    assert picture_name(red) == name
    store = RunStore(tmp_path)
    assert store.save_image(red)["path"] == f"images/48/{name}.png"
    before = (tmp_path / "images" / "48" / f"{name}.png").stat().st_mtime_ns
    store.save_image(red)
    assert (tmp_path / "images" / "48" / f"{name}.png").stat().st_mtime_ns == before
    assert len(list(tmp_path.rglob("*.png"))) == 1


def test_the_last_row_of_an_image_counts(store: RunStore) -> None:
    for status, score in (("timeout", None), ("refused", None), ("ok", 0.25)):
        store.append(row("a", status=status, score=score), [])
    store.append(row("b", status="timeout", score=None), [])
    found = store.rows()
    assert (found["a", 0]["score"], found["b", 0]["status"]) == (0.25, "timeout")


def test_a_line_separator_in_a_name_is_no_end_of_a_row(store: RunStore) -> None:
    store.append(row("a\u2028b\u0085c\nd"), [])
    assert list(store.rows()) == [("a\u2028b\u0085c\nd", 0)]


def test_a_file_cut_anywhere_in_its_last_row_loses_that_row_alone(tmp_path: Path, store: RunStore) -> None:
    for name in ("a", "b"):
        store.append(row(name), [])
    path = tmp_path / "samples.jsonl"
    whole = path.read_bytes()
    for size in range(2, len(whole) // 2):
        path.write_bytes(whole[:-size])
        assert list(store.rows()) == [("a", 0)]
    path.write_bytes(whole[:-1])
    assert list(store.rows()) == [("a", 0), ("b", 0)], "only the line's end is missing, and the row is whole"


@pytest.mark.parametrize("size", [1, 2, 40, 150])
def test_a_run_goes_on_after_a_torn_row_on_a_line_of_its_own(tmp_path: Path, size: int) -> None:
    with closing(RunStore(tmp_path)) as store:
        for name in ("a", "b"):
            store.append(row(name), [])
    path = tmp_path / "samples.jsonl"
    path.write_bytes(path.read_bytes()[:-size])
    with closing(RunStore(tmp_path)) as store:
        store.claim([])
        store.append(row("c"), [])
        assert list(store.rows()) == [("a", 0), ("c", 0)]


@pytest.mark.parametrize("line", ['{"sample": "a", "in', '["a", 0]', '{"sample": "a"}', "\0\0\0\0"])
def test_a_broken_row_inside_is_named(tmp_path: Path, store: RunStore, line: str) -> None:
    store.append(row("a"), [])
    with (tmp_path / "samples.jsonl").open("a") as file:
        file.write(line + "\n")
    store.append(row("b"), [])
    with pytest.raises(Damaged, match=r"samples\.jsonl is damaged: line 2 is not"):
        store.rows()


@contextmanager
def largest(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a disk that runs full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_rows_that_do_not_fit_leave_whole_rows_and_say_so(tmp_path: Path, store: RunStore) -> None:
    store.append(row("a"), [])
    path = tmp_path / "samples.jsonl"
    with largest(path.stat().st_size + 50), pytest.raises(SaveError, match="cannot be written"):
        store.append(row("b"), [])
    store.append(row("c"), [])
    assert list(store.rows()) == [("a", 0), ("c", 0)]


def test_a_picture_that_does_not_fit_is_a_save_error_and_leaves_no_half_of_itself(tmp_path: Path) -> None:
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    with largest(1000), pytest.raises(SaveError, match="cannot be written"):
        RunStore(tmp_path).save_image(noise)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_json_that_does_not_fit_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    with largest(100), pytest.raises(SaveError, match=r"run\.json cannot be written"):
        write_json(path, {"a": "x" * 500})
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_disk_that_runs_full_midway_ends_with_6_and_the_run_goes_on_later(tmp_path: Path) -> None:
    arguments = [*FAST, "--limit", "20", "-b", "4", "-o", str(tmp_path)]
    code = (
        "import resource, sys\nfrom harness.main import run\nfrom harness.run_folder import RunStore, SPARE\n"
        "whole = RunStore.append\n"
        "def append(store, row, verdicts):\n"
        "    if (store.path / 'verdicts.jsonl').exists() and (store.path / 'verdicts.jsonl').stat().st_size > 9000:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (9500, 9500))\n"
        "    whole(store, row, verdicts)\n"
        f"RunStore.append = append\nsys.exit(run({arguments!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert 0 < len(read_lines(tmp_path / "samples.jsonl")) < 80
    assert json.loads((tmp_path / "run.json").read_text())["exit_code"] == 6
    assert run(arguments) == 0
    assert len(RunStore(tmp_path).rows()) == 80


def test_the_reason_of_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with largest(1000), pytest.raises(SaveError, match=os.strerror(errno.EFBIG)):
        RunStore(tmp_path / "run").probe()
    assert not list((tmp_path / "run").iterdir())


def test_parts_are_merged_in_the_order_of_the_plan_and_removed(tmp_path: Path) -> None:
    plan = [(name, 0) for name in "abcd"]
    for rank, names in ((0, "ca"), (1, "db")):
        with closing(RunStore(tmp_path, rank, 2)) as store:
            for name in names:
                store.append(row(name), [])
    with closing(RunStore(tmp_path)) as store:
        store.claim(plan)
    assert [line["sample"] for line in read_lines(tmp_path / "samples.jsonl")] == ["a", "b", "c", "d"]
    assert not list(tmp_path.glob("*.p0*.jsonl"))


def test_a_process_alone_waits_for_one_that_has_not_begun(tmp_path: Path) -> None:
    plan = [("a", 0), ("b", 0)]
    first, second = RunStore(tmp_path, 0, 2), RunStore(tmp_path, 1, 2)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom harness.run_folder import RunStore\n"
        "from tests.test_record import row\n"
        f"store = RunStore(Path({str(tmp_path)!r}), 1, 2)\ntime.sleep(0.5)\nstore.claim({plan!r})\n"
        f"store.append(row('b'), [])\nprint(store.finish({plan!r}))"
    )
    first.claim(plan)
    first.append(row("a"), [])
    late = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    finished = first.finish(plan)
    told, _ = late.communicate(timeout=30)
    assert {str(finished), told.strip()} == {"True", "False"}, "exactly one of them merges"
    assert list(second.rows()) == plan
    assert not list(tmp_path.glob("*.p0*.jsonl"))
