"""Kept replies: found again only by the very same question, whole after a crash, shared by many processes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.json_lines import read_lines
from harness.main import run
from reward.cache import ReplyCache
from reward.cached_verifier import CachedVerifier
from reward.reply_key import facts_of, reply_keys
from reward.verifier import Query, Reply
from tests.flaky import Flaky
from tests.server import running, sees

ROOT = Path(__file__).parent.parent
PICTURE = Image.new("RGB", (8, 8), (200, 30, 30))
RECORD: Mapping[str, Any] = {
    "name": "http", "requested": "seer", "served_id": "seer-1", "revision": None, "mode": "logprobs",
    "sampling": {"temperature": 0, "seed": 0, "top_logprobs": 20},
}  # fmt: skip
FULL = Query((PICTURE,), "Is it red?", ("yes", "no"), 3, "You judge.", (("Look.", "I see."),), False, 0)
OTHERS: dict[str, Any] = {
    "images": (Image.new("RGB", (8, 8), (200, 30, 31)),),
    "text": "Is it red? ",
    "answers": ("yes", "no", "maybe"),
    "max_tokens": 4,
    "system": "You judge well.",
    "earlier": (("Look.", "I see!"),),
    "text_first": True,
    "attempt": 1,
    "continuation": "a red square",
}
CHANGES: dict[str, Mapping[str, Any]] = {
    "requested": {"requested": "seer-large"},
    "served": {"served_id": "seer-2"},
    "revision": {"revision": "abc"},
    "mode": {"mode": "text"},
    "temperature": {"sampling": {"temperature": 1, "seed": 0, "top_logprobs": 20}},
    "seed": {"sampling": {"temperature": 0, "seed": 1, "top_logprobs": 20}},
}


class Counting:
    """Says yes with a probability of its own, and counts."""

    def __init__(self, name: str = "one", record: Mapping[str, Any] = RECORD, served: str = "seer-1") -> None:
        self.id, self.record, self.served = name, record, served
        self.asked: list[str] = []

    def ask(self, queries: Sequence[Query]) -> list[Reply]:
        self.asked += [query.text for query in queries]
        return [
            Reply(
                "ok", "yes", {"yes": 0.75, "no": 0.2}, served=self.served, seconds=0.1, tokens_in=9, log_likelihood=-2.5
            )
            for _ in queries
        ]


def opened(folder: Path) -> ReplyCache:
    cache = ReplyCache(folder)
    cache.open()
    return cache


def test_a_reply_is_found_again_by_the_same_question_and_costs_nothing(tmp_path: Path) -> None:
    verifier = Counting()
    first = CachedVerifier(verifier, opened(tmp_path)).ask([FULL, FULL])
    again = CachedVerifier(verifier, opened(tmp_path)).ask([FULL])[0]
    assert verifier.asked == [FULL.text]
    assert [one.cached for one in (*first, again)] == [False, False, True]
    assert (again.text, again.probabilities, again.served) == ("yes", {"yes": 0.75, "no": 0.2}, "seer-1")
    assert again.log_likelihood == -2.5
    assert (again.tries, again.seconds, again.tokens_in) == (0, 0.0, 0)
    assert again.key == first[0].key


@pytest.mark.parametrize("name", [one.name for one in fields(Query) if one.compare])
def test_each_field_of_a_query_alone_makes_a_miss(name: str, tmp_path: Path) -> None:
    verifier = Counting()
    cached = CachedVerifier(verifier, opened(tmp_path))
    cached.ask([FULL])
    cached.ask([replace(FULL, **{name: OTHERS[name]})])
    assert len(verifier.asked) == 2


def test_what_a_question_is_asked_for_makes_no_miss() -> None:
    facts = facts_of("one", RECORD)
    assert reply_keys([FULL], facts) == reply_keys([replace(FULL, about=("sample", 7, "q"))], facts)


def test_a_verifier_in_the_process_answers_by_its_id(tmp_path: Path) -> None:
    verifier = Counting("local:seer-1@12", served="local:seer-1@12")
    for _ in range(2):
        CachedVerifier(verifier, opened(tmp_path)).ask([FULL])
    assert len(verifier.asked) == 1


@pytest.mark.parametrize("change", CHANGES)
def test_each_fact_of_a_verifier_alone_makes_a_miss(change: str, tmp_path: Path) -> None:
    CachedVerifier(Counting(), opened(tmp_path)).ask([FULL])
    record = {**RECORD, **CHANGES[change]}
    other = Counting(record=record, served=str(record["served_id"]))
    CachedVerifier(other, opened(tmp_path)).ask([FULL])
    assert other.asked == [FULL.text]


def test_another_verifier_finds_no_reply_of_the_first(tmp_path: Path) -> None:
    CachedVerifier(Counting("one"), opened(tmp_path)).ask([FULL])
    other = Counting("other")
    CachedVerifier(other, opened(tmp_path)).ask([FULL])
    assert other.asked == [FULL.text]


def test_without_a_name_of_who_serves_nothing_is_reused_on_another_day() -> None:
    unnamed = {**RECORD, "served_id": None}
    assert "date" in facts_of("one", unnamed)
    assert "date" not in facts_of("one", RECORD)
    assert "date" not in facts_of("one", {**unnamed, "revision": "abc"})


def test_a_failure_and_another_server_s_reply_are_never_kept(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    queries = [Query((PICTURE,), f"question {number}") for number in range(60)]
    replies = CachedVerifier(Flaky(0.5), cache).ask(queries)
    lost = sum(one.status != "ok" for one in replies)
    assert 0 < lost < 60
    assert cache.entries()[0].replies == 60 - lost
    swapped = Counting(served="seer-2")
    CachedVerifier(swapped, cache).ask([FULL])
    CachedVerifier(swapped, cache).ask([FULL])
    assert len(swapped.asked) == 2


def test_damage_is_a_miss_is_told_and_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, verifier = tmp_path / "cache", Counting()
    cached = CachedVerifier(verifier, opened(folder))
    cached.ask([FULL, replace(FULL, text="Is it blue?"), replace(FULL, text="Is it big?")])
    file = sqlite3.connect(folder / "replies.sqlite")
    file.execute("UPDATE replies SET reply = replace(reply, '0.75', '0.05') WHERE asked LIKE '%blue%'")
    file.execute("UPDATE replies SET asked = replace(asked, 'big', 'small') WHERE asked LIKE '%big%'")
    file.commit()
    file.close()
    assert cached.ask([replace(FULL, text="Is it blue?")])[0].probabilities["yes"] == 0.75
    assert verifier.asked[3:] == ["Is it blue?"]
    assert run(["cache", "verify", str(folder)]) == 3
    assert "1 of 3 replies are as they were written" in capsys.readouterr().out
    assert run(["cache", "gc", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 2
    assert run(["cache", "verify", str(folder)]) == 0


def test_gc_removes_what_is_old_or_another_verifier_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "other"):
        CachedVerifier(Counting(name), opened(tmp_path)).ask([FULL])
    assert run(["cache", "gc", str(tmp_path), "--verifier", "other"]) == 0
    assert run(["cache", "gc", str(tmp_path), "--older-than", "1"]) == 0
    assert [one.verifier for one in ReplyCache(tmp_path).entries()] == ["one"]
    file = sqlite3.connect(tmp_path / "replies.sqlite")
    file.execute("UPDATE replies SET made = '2001-01-01T00:00:00+00:00'")
    file.commit()
    file.close()
    assert run(["cache", "gc", str(tmp_path), "--older-than", "1"]) == 0
    assert ReplyCache(tmp_path).entries() == []
    capsys.readouterr()
    assert run(["cache", "ls", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("0 replies")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ls", "nowhere"], "there is no cache in nowhere"),
        (["gc", "FOLDER", "--verifier", "x"], "the cache holds no replies of 'x'"),
        (["ls", "FOLDER", "--older-than", "1"], "removes nothing"),
        (["gc", "FOLDER", "--older-than", "-1"], "is a number of days"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(tmp_path)
    assert run(["cache", *[str(tmp_path) if one == "FOLDER" else one for one in arguments]]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_cache_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "replies.sqlite").write_bytes(b"not a database, whatever its name says" * 100)
    assert run(["cache", "ls", str(tmp_path)]) == 2
    assert run(["eval", "--model", "tests.painter", "-L", "1", "-o", str(tmp_path / "a"), "-c", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("cannot be used") == 2


WRITER = """
import sys
from pathlib import Path
from PIL import Image
from reward.cache import ReplyCache
from reward.cached_verifier import CachedVerifier
from reward.verifier import Query
from tests.test_cache import Counting
cache = ReplyCache(Path(sys.argv[1])); cache.open()
verifier = CachedVerifier(Counting(), cache)
picture = Image.new("RGB", (8, 8))
for turn in range(int(sys.argv[3])):
    verifier.ask([Query((picture,), f"{sys.argv[2] if one % 2 else 'all'} {turn} {one}") for one in range(8)])
"""


def writer(folder: Path, name: str, turns: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(turns)], cwd=ROOT)


def test_many_processes_write_at_once_and_one_may_be_killed(tmp_path: Path) -> None:
    doomed = writer(tmp_path, "doomed", 100_000)
    others = [writer(tmp_path, f"writer{number}", 30) for number in range(3)]
    assert [one.wait(60) for one in others] == [0, 0, 0]
    deadline = time.monotonic() + 30
    while not any("doomed" in str(row) for row in rows(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(doomed.pid, signal.SIGKILL)
    doomed.wait()
    cache = opened(tmp_path)
    assert cache.damaged() == []
    assert cache.fault() == ""
    kept = rows(tmp_path)
    for number in range(3):
        assert sum(f"writer{number} " in asked for asked in kept) == 30 * 4
    assert sum("all " in asked for asked in kept) >= 30 * 4


def rows(folder: Path) -> list[str]:
    file = sqlite3.connect(folder / "replies.sqlite", timeout=30)
    found = [asked for (asked,) in file.execute("SELECT asked FROM replies")]
    file.close()
    return found


def test_a_second_run_asks_nobody_and_its_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(sees) as server:
        flags = ["--verifier", "http", "--verifier-args", f"model=seer,base_url={server.url},price_in=2"]
        arguments = ["eval", "-M", "tests.painter", "-L", "3", "-v", "quiet", "--json", *flags, "-o"]
        costs = []
        for name in ("first", "second"):
            assert run([*arguments, str(tmp_path / name), "--use-cache", str(tmp_path / "cache")]) == 0
            costs.append(json.loads(capsys.readouterr().out)["cost"]["verify"])
        asked = len(server.requests)
        assert run([*arguments, str(tmp_path / "third")]) == 0
        assert len(server.requests) > asked + 2
    assert costs[0]["calls"] > 0
    assert costs[0]["price"] == pytest.approx(11 * costs[0]["calls"] * 2 / 1e6)
    assert (costs[1]["calls"], costs[1]["cached"], costs[1]["price"]) == (0, costs[0]["calls"], 0.0)
    assert asked == costs[0]["calls"] + 2 * 2  # and two known questions a run
    values = [[row["value"] for row in read_lines(tmp_path / name / "verdicts.jsonl")] for name in ("first", "second")]
    assert values[0] == values[1]


def test_the_flag_may_stand_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    arguments = ["eval", "-M", "tests.painter", "--use-cache", "-L", "1", "-v", "quiet", "-o", str(tmp_path / "run")]
    assert run(arguments) == 0
    assert (tmp_path / "home" / "image-harness" / "replies" / "replies.sqlite").is_file()


def test_a_budget_ends_a_run_with_everything_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", "-M", "tests.painter", "-L", "6", "-v", "quiet", "-o", str(tmp_path / "run"), "-b", "4"]
    with running(sees) as server:
        flags = ["--verifier", "http", "--verifier-args", f"model=seer,base_url={server.url}", "--max-calls", "20"]
        assert run([*arguments, *flags]) == 4
        assert len(server.requests) == 20 + 2
    rows = read_lines(tmp_path / "run" / "verdicts.jsonl")
    assert sum(row["status"] == "ok" for row in rows) == 20
    assert {row["status"] for row in rows} == {"ok", "skipped"}
    assert run([*arguments, "--max-calls", "20"]) == 2
    assert "verifier 'pixels' asks none" in capsys.readouterr().err
