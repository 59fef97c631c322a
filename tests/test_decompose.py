"""harness decompose: prompts become a task, by rules and by a language model that misbehaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.json_lines import read_lines
from harness.main import run
from harness.scene_decomposition import of_metadata
from reward.decomposition import Drafted, Unusable, lint, read_reply
from reward.structured import EMPTY
from reward.verifier import Query, Reply
from tasks.question_file import Arguments, load
from tasks.sample import Question
from tasks.scenes import Arguments as ScenesArguments
from tasks.scenes import load as load_scenes
from tests.server import Act, chat, running, text_of


def prompts_file(folder: Path, prompts: list[str]) -> Path:
    path = folder / "prompts.txt"
    path.write_text("\n".join(prompts) + "\n")
    return path


def test_rules_give_scenes_their_own_questions_and_the_task_runs(tmp_path: Path) -> None:
    samples = load_scenes(ScenesArguments()).samples[:12]
    path = prompts_file(tmp_path, [one.request.prompt for one in samples])
    assert run(["decompose", str(path)]) == 0
    task = load(Arguments(tmp_path / "prompts.questions.jsonl"))
    assert [one.questions for one in task.samples] == [one.questions for one in samples]
    arguments = ["eval", "-M", "tests.painter", "-t", str(tmp_path / "prompts.questions.jsonl"), "-v", "quiet"]
    assert run([*arguments, "--verifier", "pixels", "-o", str(tmp_path / "run")]) == 0


def test_rules_turn_geneval_s_metadata_into_words() -> None:
    row: dict[str, Any] = {
        "tag": "position",
        "include": [
            {"class": "dog", "count": 1},
            {"class": "apple", "count": 3, "color": "red", "position": ["right of", 0]},
        ],
        "prompt": "three red apples right of a dog",
    }
    found = of_metadata(row)
    assert [(one.text, one.needs) for one in found] == [
        ("Is there a dog?", ()),
        ("Is there an apple?", ()),
        ("Is the number of objects of the kind 'apple' exactly three?", ("exists 1",)),
        ("Is the apple red?", ("exists 1",)),
        ("Is the apple right of the dog?", ("exists 1", "exists 0")),
    ]


def test_all_of_geneval_s_file_becomes_a_task(official: Path, tmp_path: Path) -> None:
    out = tmp_path / "geneval.jsonl"
    assert run(["decompose", str(official / "GenEval/prompts/evaluation_metadata.jsonl"), "-o", str(out)]) == 0
    assert len(load(Arguments(out)).samples) == 553


def test_a_prompt_that_no_rule_knows_is_a_failure_and_the_others_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = prompts_file(tmp_path, ["a red circle", "a cat that dreams"])
    assert run(["decompose", str(path), "-o", str(tmp_path / "out.jsonl"), "--json"]) == 4
    printed = capsys.readouterr()
    assert json.loads(printed.out)["written"] == 1
    assert "prompt 00002: no rule knows it" in printed.err
    assert [row["prompt"] for row in read_lines(tmp_path / "out.jsonl")[1:]] == ["a red circle"]


def questions(*rows: tuple[str, str, list[str], bool]) -> str:
    told = [{"id": one, "text": text, "tag": "entity", "needs": needs, "valid": ok} for one, text, needs, ok in rows]
    return json.dumps({"questions": told})


SEMANTIC = (("1", "Is there a cat?", [], True), ("2", "Is the cat black?", ["1"], True), ("3", "Is it new?", [], True))


class Writer:
    """A language model that follows a script by step, and counts."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.spoilt = 1

    def __call__(self, request: dict[str, Any], number: int) -> Act:
        text = text_of(request)
        if EMPTY in text:
            return Act(body=chat('{"questions": []}'))
        if "red circle" in text or "blue square" in text:  # the probe
            return Act(body=chat("yes", {"yes": -0.1}))
        if "doomed" in text:
            return Act(body=chat("I would rather not."))
        step = next((one for one in ("Judge each", "how well it is made") if one in text), "turn a prompt")
        self.steps.append(step)
        if step == "turn a prompt":
            if self.spoilt and "could not be used" not in text:
                self.spoilt -= 1
                return Act(body=chat("Here you are: 1. Is there a cat?"))
            return Act(body=chat("```json\n" + questions(*SEMANTIC) + "\n```"))
        if step == "Judge each":
            return Act(body=chat(questions(*SEMANTIC[:2], ("3", "Is it new?", [], False))))
        return Act(body=chat(questions(("1", "Is the fur sharp?", [], True), ("2", "Is there a cat?", [], True))))


def decompose(path: Path, url: str, *more: str) -> list[str]:
    return [
        "decompose",
        str(path),
        "--verifier",
        "http",
        "--verifier-args",
        f"model=m,base_url={url},price_in=1",
        *more,
    ]


def test_a_language_model_writes_checks_and_adds_and_is_asked_again_for_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, script = prompts_file(tmp_path, ["a black cat"]), Writer()
    with running(script) as server:
        assert run(decompose(path, server.url)) == 0
        asked = [text_of(one) for one in server.requests if EMPTY not in text_of(one)]
    assert script.steps == ["turn a prompt", "turn a prompt", "Judge each", "how well it is made"]
    assert any("Your last reply could not be used: the reply is not JSON" in one for one in asked)
    assert all("black cat" in one for one in asked[2:])
    task = load(Arguments(tmp_path / "prompts.questions.jsonl"))
    assert [(one.id, one.text, one.group, one.needs) for one in task.samples[0].questions] == [
        ("1", "Is there a cat?", "semantic", ()),
        ("2", "Is the cat black?", "semantic", ("1",)),
        ("quality-1", "Is the fur sharp?", "quality", ()),
    ]
    capsys.readouterr()


def test_one_prompt_that_fails_leaves_the_others_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, script = prompts_file(tmp_path, ["a black cat", "a doomed cat", "a third cat"]), Writer()
    out = tmp_path / "out.jsonl"
    with running(script) as server:
        assert run(decompose(path, server.url, "-o", str(out))) == 4
        assert "prompt 00002: semantic: the reply is not JSON" in capsys.readouterr().err
        assert {row["id"] for row in read_lines(out)[1:]} == {"00001", "00003"}
        with out.open("a") as file:
            file.write('{"id": "000')  # a run that died in the middle of a line
        path.write_text("a black cat\na saved cat\na third cat\n")
        before = len(script.steps)
        assert run(decompose(path, server.url, "-o", str(out))) == 0
    assert len(script.steps) == before + 3
    assert [row["id"] for row in read_lines(out)[1:]][-1] == "00002"
    assert len(load(Arguments(out)).samples) == 3


def test_a_dry_run_tells_the_cost_and_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = prompts_file(tmp_path, ["a black cat", "a cat"])
    assert run([*decompose(path, "http://127.0.0.1:9/v1"), "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["calls"], found["left"]) == (6, 2)
    assert found["cost_about"] == pytest.approx(found["tokens_in_about"] / 1e6, abs=1e-4)
    assert not (tmp_path / "prompts.questions.jsonl").exists()


def test_lint_drops_repeats_and_keeps_children_with_the_first_of_them() -> None:
    asked = [
        Question("1", "Is there a cat?"),
        Question("2", "is there a cat"),
        Question("3", "Is the cat black?", needs=("2", "gone", "4")),
        Question("4", "Is it night?", needs=("3",)),
    ]
    kept, dropped = lint([Drafted(one) for one in asked])
    assert [(one.id, one.needs) for one in kept] == [("1", ()), ("3", ("1",)), ("4", ("3",))]
    assert dropped == ("is there a cat (repeated)",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no", "is not JSON"),
        ("[]", "holds no list"),
        ('{"questions": [{"id": "1"}]}', "without text"),
        ('{"questions": [{"text": "x"}]}', "without id"),
        ('{"questions": [{"id": 1, "text": "x", "needs": "2"}]}', "no list"),
        ('{"questions": [{"id": 1, "text": "x"}, {"id": "1", "text": "y"}]}', "two questions have one id"),
        (json.dumps({"questions": [{"id": str(one), "text": "x"} for one in range(41)]}), "at most 40"),
    ],
)
def test_a_reply_that_holds_no_questions_is_refused(text: str, said: str) -> None:
    with pytest.raises(Unusable, match=said):
        read_reply(Reply("ok", text))


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (None, [], "cannot be read"),
        ("", [], "holds no prompts"),
        ('{"id": "1"}', [], "line 1 of"),
        ('{"id": "1", "prompt": "a"}\n{"id": "1", "prompt": "b"}', [], "two prompts with the id '1'"),
        ('{"prompt": "a"}', ["--concurrency", "0"], "--concurrency must be at least 1"),
        ('{"prompt": "a"}', ["--verifier", "http"], "needs model="),
        ('{"prompt": "a"}', ["-o", "OTHER"], "was written as"),
    ],
)
def test_mistakes_are_sentences(
    content: str | None, more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other = tmp_path / "prompts.jsonl", tmp_path / "other.jsonl"
    other.write_text('{"task": "other"}\n')
    if content is not None:
        path.write_text(content)
    assert run(["decompose", str(path), *[str(other) if one == "OTHER" else one for one in more]]) == 2
    assert said in capsys.readouterr().err


def strict(takes: bool) -> tuple[Writer, Any]:
    """A server that takes response_format, or complains about it."""
    script = Writer()

    def play(request: dict[str, Any], number: int) -> Act:
        if "response_format" in request and not takes:
            return Act(400, b'{"error": {"message": "response_format is unknown here"}}')
        return script(request, number)

    return script, play


def test_a_server_that_takes_a_form_is_asked_for_it_in_every_step(tmp_path: Path) -> None:
    script, play = strict(takes=True)
    with running(play) as server:
        assert run(decompose(prompts_file(tmp_path, ["a black cat"]), server.url)) == 0
        asked = [one for one in server.requests if "cat" in text_of(one)]
    assert len(asked) == len(script.steps) == 4
    form = asked[0]["response_format"]
    assert all(one["response_format"] == form for one in asked)
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    items = form["json_schema"]["schema"]["properties"]["questions"]["items"]
    assert items["required"] == list(items["properties"]) == ["id", "text", "tag", "needs", "valid"]


def test_a_server_that_refuses_a_form_is_told_of_once_and_asked_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script, play = strict(takes=False)
    with running(play) as server:
        assert run(decompose(prompts_file(tmp_path, ["a black cat", "a cat"]), server.url)) == 0
        formed = [one for one in server.requests if "response_format" in one]
    assert (len(formed), len(script.steps)) == (1, 7)
    assert [one.getMessage().count("takes no response_format") for one in caplog.records].count(1) == 1


def test_a_model_in_this_process_answers_and_what_cannot_be_read_is_a_failure_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights of Qwen3's class write rubbish, which makes no questions."""
    transformers = pytest.importorskip("transformers")
    from tests.vision import TEXT, save, tokenizer

    words = tokenizer(())
    config = transformers.Qwen3Config(vocab_size=len(words), eos_token_id=words.eos_token_id, head_dim=8, **TEXT)
    model = save(tmp_path / "writer", config, transformers.Qwen3ForCausalLM, words, image="")
    path, out = prompts_file(tmp_path, ["a black cat", "a red circle"]), tmp_path / "out.jsonl"
    told = ["decompose", str(path), "--verifier", "local", "-o", str(out)]
    given = ["--verifier-args", f"pretrained={model},device=cpu,longest=24"]
    assert run([*told, *given, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 6
    assert run([*told, *given, "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["failed"] == 2
    failures = read_lines(tmp_path / "out.failures.jsonl")
    assert {row["prompt"] for row in failures} == {"a black cat", "a red circle"}
    assert all(row["error"].startswith("semantic: ") for row in failures)
    assert len(read_lines(out)) == 1
    assert run(["decompose", str(path), "--verifier", "local", *given, "--max-calls", "3"]) == 2
    assert "--max-calls bounds what is asked of a server" in capsys.readouterr().err


def test_requests_that_wait_are_answered_in_one_batch_each_as_if_it_were_alone(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from reward.language_model import Arguments as ModelArguments
    from reward.language_model import build
    from tests.vision import TEXT, save, tokenizer

    words = tokenizer(())
    config = transformers.Qwen3Config(vocab_size=len(words), eos_token_id=words.eos_token_id, head_dim=8, **TEXT)
    place = save(tmp_path / "writer", config, transformers.Qwen3ForCausalLM, words, image="")
    model = build(ModelArguments(str(place), device="cpu", longest=12))
    asked = [Query((), text, ()) for text in ("a cat", "a much longer request about a cat", "<|im_end|> a dog")]
    together = model.ask(asked)
    alone = [model.ask([one])[0] for one in asked]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.tokens_in for one in together] == [one.tokens_in for one in alone]
    assert {one.status for one in together} <= {"ok", "parse_error"}
    (seen,) = model.ask([Query((Image.new("RGB", (8, 8)),), "a cat?", ())])
    assert (seen.status, "sees no pictures" in seen.error) == ("transport_error", True)
