"""The command line: names, flags, files, the environment, and what a wrong one gets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from harness.main import COMMANDS, run
from harness.model import MODELS
from reward.reward import REWARDS
from reward.verifier import VERIFIERS
from tasks.registry import TASKS, find_module

ROOT = Path(__file__).parent.parent


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("command", ["--help", "ls tasks", "ls models --json"])
def test_light_commands_load_no_heavy_package(command: str) -> None:
    code = f"import sys\nfrom harness.main import run\nrun({command.split()!r})\n"
    printed = fresh(code + "print('HEAVY', sorted({'torch', 'transformers', 'scipy', 'numpy'} & set(sys.modules)))")
    assert "HEAVY []" in printed


def test_scoring_stored_pictures_never_imports_torch(tmp_path: Path) -> None:
    assert run(["eval", "--model", "tests.painter", "--limit", "2", "-o", str(tmp_path / "a"), "-v", "quiet"]) == 0
    arguments = ["eval", "-M", "folder", "-a", f"path={tmp_path / 'a'}", "-L", "2", "-o", str(tmp_path / "b")]
    code = f"import sys\nfrom harness.main import run\nassert run({arguments!r}) == 0\nprint('torch' in sys.modules)"
    assert fresh(code).splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "registry", [TASKS, MODELS, VERIFIERS, REWARDS], ids=["tasks", "models", "verifiers", "rewards"]
)
def test_every_name_imports_and_stands_in_the_readme(registry: dict[str, str]) -> None:
    readme = (ROOT / "README.md").read_text()
    for name in registry:
        assert find_module("thing", name, registry).__doc__
        assert f"`{name}`" in readme


def test_ls_prints_a_line_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, registry in (("tasks", TASKS), ("models", MODELS), ("verifiers", VERIFIERS)):
        assert run(["ls", kind]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == list(registry)
        assert run(["ls", kind, "--json"]) == 0
        assert set(json.loads(capsys.readouterr().out)) == set(registry)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evla"], "no command named 'evla'; did you mean 'eval'?"),
        (["ls", "task"], "no list named 'task'; did you mean 'tasks'"),
        (["ls", "tasks", "--jsno"], "no flag of ls named '--jsno'; did you mean '--json'?"),
        (["eval", "--task", "scene"], "no task named 'scene'; did you mean 'scenes' or"),
        (["eval", "--model", "tinny"], "no model named 'tinny'; did you mean 'tiny'?"),
        (["eval", "--verifier", "pixel"], "no verifier named 'pixel'; did you mean 'pixels'?"),
        (["eval", "--model", "nobody.here"], "no model module named 'nobody.here' can be imported"),
        (
            ["eval", "-a", "guidence=3"],
            "no argument of model 'tiny' named 'guidence'; did you mean 'guidance' or 'image_guidance'?",
        ),
        (["eval", "-a", "guidance=much"], "model 'tiny': guidance='much' is not float"),
        (["eval", "-a", "renorm=globl"], "no value of model 'tiny': renorm named 'globl'; did you mean 'global'?"),
        (["eval", "-a", "api_key=abc"], "is a secret"),
        (["eval", "-a", "weights"], "'weights' is not of the form name=value"),
        (["eval", "-a", "@nowhere.json"], "the arguments file nowhere.json cannot be read"),
        (["eval", "-a", "{bad"], "the arguments are not JSON"),
        (["eval", "--task-args", "split=test"], "scenes has no split named 'test'"),
        (["eval", "--samples", "scenes-9999"], "no sample of scenes named 'scenes-9999'"),
        (["eval", "--limit", "0"], "--limit must be a whole number of prompts, or a share of them below 1, not 0"),
        (["eval", "--limit", "1.5"], "--limit must be a whole number"),
        (["eval", "--limit", "inf"], "--limit must be a whole number"),
        (["eval", "--min-coverage", "5"], "--min-coverage must lie between 0 and 1"),
        (["eval", "-C"], "-C needs a file after it"),
        (["eval", "-C", "/bin/true"], "the configuration file /bin/true is not"),
        (["eval", "-a", "@/bin/true"], "the arguments file /bin/true is not UTF-8"),
        (["ls"], "harness ls prints one of these: tasks, models, verifiers, runs"),
        (["eval", "--task", ","], "--task names no task"),
        (["eval", "--model", "os.path"], "the module posixpath is no model: it has no build"),
        (["eval", "--model", ".x"], "'.x' is not the dotted name of a model module"),
        (["eval", "--device", "abacus"], "the device 'abacus' cannot be used"),
        (["eval", "--batch-size", "0"], "--batch-size must be at least 1"),
        (["eval", "--num-images", "0"], "--num-images must be at least 1"),
        (["eval", "-M", "folder", "-a", "path=/nowhere/at/all"], "there is no folder or file /nowhere/at/all"),
        (["eval", "-M", "folder"], "model 'folder' needs path="),
        (["eval", "-a", "weights=/nowhere"], "/nowhere/config.json does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--output-path", str(tmp_path / "run")] if arguments[0] == "eval" else []
    assert run([*arguments, *place]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1


def test_an_unknown_flag_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "--modle", "tiny"]) == 2
    assert "--model" in capsys.readouterr().err


def test_a_dry_run_counts_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    arguments = ["eval", "--model", "tests.painter", "--limit", "5", "-o", str(folder)]
    assert run([*arguments, "--dry-run", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert not folder.exists()
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (counted["images"], counted["questions"]) == (found["n"]["images"], found["coverage"]["questions"]["ok"])


def test_flag_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("limit: 2\nnum-images: 2\nseed: 5\n")
    monkeypatch.setenv("HARNESS_NUM_IMAGES", "3")
    arguments = ["eval", "--config", str(file), "-L", "4", "--dry-run", "--json"]
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["prompts"], found["images"]) == (4, 12)


def test_unknown_keys_and_variables_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("batchsize: 2\n")
    assert run(["eval", "-C", str(file)]) == 2
    assert "named 'batchsize'; did you mean 'batch_size'" in capsys.readouterr().err
    monkeypatch.setenv("HARNESS_BATCHSIZE", "2")
    assert run(["eval", "--dry-run"]) == 2
    assert "no environment variable named 'HARNESS_BATCHSIZE'" in capsys.readouterr().err


def test_a_bug_is_told_with_its_traceback_and_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "ls", ("tests.broken_command", "is broken"))
    assert run(["ls"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_another_package_of_our_name_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\nfrom harness.main import run\n"
    code += "sys.exit(run(['ls', 'tasks']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the package 'tasks' comes from" in done.stderr


def test_offline_forbids_a_connection() -> None:
    code = (
        "import socket\nfrom harness.offline import forbid_connections\nforbid_connections()\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError as error:\n    print(error)"
    )
    assert "--offline forbids socket.getaddrinfo to 127.0.0.1" in fresh(code)


def commands_of(page: Path) -> list[list[str]]:
    """The command lines of a page, those that go on in the next line joined."""
    text = page.read_text().replace("\\\n", " ")
    return [line.split() for line in re.findall(r"^ {4}(?:\$ )?harness (.*?)(?:  +#.*)?$", text, re.M)]


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: str(page.stem)
)
def test_the_commands_of_the_pages_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ROOT.parent / "shared" / "benchmarks"
    monkeypatch.setenv("HARNESS_DATA", str(data))
    for arguments in commands_of(page):
        assert arguments[0] in COMMANDS
        if arguments[0] == "eval":
            given = dict(pairwise(arguments))
            task = given.get("--task") or given.get("-t") or "scenes"
            if task in TASKS and (data.is_dir() or task.startswith("scenes")):
                more = ["--dry-run", "--output-path", str(tmp_path)]
                assert run([*arguments, *more]) == 0, (arguments, capsys.readouterr().err)
        elif arguments[0] == "ls" and arguments[1] != "runs":
            assert run(arguments) == 0, arguments


def test_the_installed_command_finds_modules_where_the_user_stands(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "painter.py").write_text((ROOT / "tests" / "painter.py").read_text())
    code = f"import sys; sys.path = [{str(ROOT)!r}, *[one for one in sys.path if one]]\nfrom harness.main import main\n"
    code += "main(['eval', '--model', 'mine.painter', '--limit', '1', '-o', 'out', '-v', 'quiet'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_launch_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run(["eval", "--model", "tests.painter", "-o", str(tmp_path)]) == 2
    assert "RANK=3 and WORLD_SIZE=2 are not" in capsys.readouterr().err


def test_each_process_of_a_launch_takes_an_accelerator_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.process import own_device

    assert own_device("cuda") == "cuda"
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert own_device("cuda") == "cuda:3"
    assert own_device("cuda:1") == "cuda:1"
    assert own_device("cpu") == "cpu"


def test_a_process_that_mpi_started_knows_its_place_and_one_left_alone_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.process import place_in_launch

    for name, value in (("ACCELERATE_USE_CPU", "True"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)  # what `accelerate launch --cpu --num_processes 2` leaves, and no more
    assert place_in_launch() == (0, 1)
    assert run(["ls", "models"]) == 0
    assert "recipes/accelerate/cpu.yaml" in capsys.readouterr().err
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert place_in_launch() == (1, 2)
    assert run(["ls", "models"]) == 0
    assert capsys.readouterr().err == ""


def test_values_of_a_file_are_not_bent_into_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.yaml"
    for content, said in (("seed: 1.7", "seed=1.7 is not int"), ("limit: true", "limit=True is not float")):
        file.write_text(content)
        assert run(["eval", "-C", str(file), "--dry-run"]) == 2
        assert said in capsys.readouterr().err
    file.write_text("samples: [scenes-0001, scenes-0002]\nmodel-args: {points: 3}\n")
    assert run(["eval", "-C", str(file), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == 2


def test_output_that_nobody_reads_to_the_end_is_no_error() -> None:
    command = f"{sys.executable} -m harness.main ls tasks --json | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "{0\n"
    assert done.stderr == ""
