"""harness doctor: each check finds what is wrong, says what would do, and the exit code is honest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import machine
from harness.finding import Finding
from harness.main import run
from tests.server import Act, running, sees


def told(findings: list[Finding], state: str) -> str:
    return "\n".join(one.line() for one in findings if one.state == state)


def test_the_report_names_versions_devices_data_and_ends_with_0_when_nothing_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("harness.doctor_command.TASKS", {"scenes": "tasks.scenes", "geneval2": "tasks.geneval2"})
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    assert run(["doctor", "--task", "scenes"]) == 0
    printed = capsys.readouterr().out
    assert "torch 2." in printed
    assert "scenes@1: 312 samples" in printed
    assert "note   data        geneval2: the data file GenEval2/geneval2_data.jsonl" in printed
    assert "HF_HUB_OFFLINE=1" in printed
    assert run(["doctor", "--task", "geneval2", "--json"]) == 2, "what is named must be there"
    assert any(one["state"] == "wrong" for one in json.loads(capsys.readouterr().out))


def test_an_endpoint_that_is_down_is_4_and_one_that_cannot_be_asked_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("harness.doctor_command.TASKS", {})
    with running(sees) as server:
        assert run(["doctor", "--verifier", "http", "--verifier-args", f"model=m,base_url={server.url}"]) == 0
        assert "answered its known questions, mode logprobs" in capsys.readouterr().out
    with running(lambda request, number: Act(503)) as server:
        given = f"model=m,base_url={server.url}"
        assert run(["doctor", "--verifier", "http", "--verifier-args", given]) == 4
        assert "does not answer: HTTP 503" in capsys.readouterr().out
        assert run(["doctor", "--verifier", "http", "--verifier-args", given, "--device", "abacus"]) == 2
    assert run(["doctor", "--verifier", "pixel"]) == 2
    assert "did you mean 'pixels'" in capsys.readouterr().out


def test_an_old_package_a_missing_one_and_another_of_our_name_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.8.1+cpu", "openai": None, "numpy": None}
    monkeypatch.setattr(machine, "version_of", lambda name: versions.get(name, "99.0"))
    monkeypatch.setattr(machine, "misplaced", lambda: "the package 'tasks' comes from elsewhere")
    found = machine.packages()
    assert "torch 2.8.1+cpu is older than 2.9; pip install -U torch" in told(found, "wrong")
    assert "the package 'tasks' comes from elsewhere" in told(found, "wrong")
    assert "numpy is not installed; pip install numpy" in told(found, "wrong")
    assert "openai is not installed; pip install 'image-harness[http]'" in told(found, "note")


def test_little_room_and_little_memory_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:  1000000 kB\n")
    assert "1.0 GB free; fewer rows=" in told(machine.memory(meminfo), "note")
    assert "does not tell" in told(machine.memory(tmp_path / "nowhere"), "note")
    assert machine.disk({"runs": tmp_path / "not" / "yet"})[0].state in ("ok", "wrong")
    monkeypatch.setattr(machine, "LEAST_DISK", 1e9)
    assert "make room" in told(machine.disk({"runs": tmp_path}), "wrong")
    assert "cannot be written" in told(machine.disk({"runs": Path("/proc/1")}), "wrong")


def test_the_hub_is_told_as_it_is_and_its_absence_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret_12345")
    assert "cannot be reached" in told(machine.hub("http://127.0.0.1:1", 1.0), "note")
    with running(sees) as server:
        answers = told(machine.hub(server.url, 5.0), "ok")
    assert "answers" in answers
    assert "a token is set" in answers
    assert "hf_secret" not in answers


def test_a_file_in_the_cache_that_is_not_the_official_one_is_wrong(tmp_path: Path) -> None:
    assert "is empty" in told(machine.caches(tmp_path / "none"), "ok")
    file = tmp_path / "data" / "GenEval2" / "geneval2_data.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("{}\n")
    (tmp_path / "embeddings").mkdir()
    (tmp_path / "embeddings" / ".k.1.new").write_text("half")
    found = machine.caches(tmp_path)
    assert "geneval2_data.jsonl is not the official file; remove it" in told(found, "wrong")
    assert "1 files of runs that were killed" in told(found, "note")
