"""Understanding inside runs: eval --regress and training, gates, and models and tasks of transformers and lm-eval."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers

from harness.main import run
from harness.regression import beside, failed, figures, read_understanding, told, write_understanding

pytest.importorskip("lm_eval", reason="lm-eval is not installed")
WORDS = ["<end>", "<unknown>", "red", "blue", "a", "cube", "is", "not", "yes", "no"]
EVAL = ["eval", "-M", "tiny", "-a", "points=3,rows=1", "-L", "1", "--num-images", "1", "-v", "quiet"]


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task in a file: six questions with two choices."""
    path = tmp_path_factory.mktemp("tasks") / "colours.jsonl"
    lines = [
        {"question": f"{word} is {more} a cube", "choices": ["yes", "no"], "answer": answer}
        for word, answer in (("red", "yes"), ("blue", "no"), ("cube", "yes"))
        for more in ("not", "a")
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def measured(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("measured") / "before"
    assert run([*EVAL, "--regress", str(colours), "-o", str(out)]) == 0
    return out


def test_a_run_tells_what_its_model_understands(measured: Path) -> None:
    found = json.loads((measured / "results.json").read_text())["understanding"]["colours acc"]
    values = [row["value"] for row in read_understanding(measured)]
    assert (found["n"], len(values)) == (6, 6)
    mean = sum(values) / 6
    assert found["value"] == pytest.approx(mean)
    assert found["se"] == pytest.approx(math.sqrt(sum((one - mean) ** 2 for one in values) / 5 / 6))
    assert found["passed"] is None
    assert run(["validate", str(measured)]) == 0


def test_a_later_run_is_gated_on_the_same_documents(
    measured: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*EVAL, "--regress", str(colours), "-o"]
    assert run([*command, str(tmp_path / "same"), "--baseline", str(measured)]) == 0
    assert "understanding colours acc" in (told := capsys.readouterr().out)
    assert "+0.000 [+0.000, +0.000]: passed" in told
    (tmp_path / "better").mkdir()
    rows = read_understanding(measured)
    write_understanding(tmp_path / "better", [{**row, "value": 1.0 + row["value"]} for row in rows])
    out = tmp_path / "worse"
    assert run([*command, str(out), "--baseline", str(tmp_path / "better")]) == 3
    assert json.loads((out / "run.json").read_text())["exit_code"] == 3
    found = json.loads((out / "results.json").read_text())
    assert (found["status"], found["understanding"]["colours acc"]["gate"]) == ("complete", "worse")
    assert run(["validate", str(out)]) == 0, "figures are made anew from the folder alone"


def test_a_baseline_of_other_documents_shows_nothing_and_passes_no_gate(tmp_path: Path) -> None:
    row = {"task": "t", "doc_id": 0, "doc_hash": "a", "metric": "acc", "value": 1.0}
    alone = figures(beside([row], None), 1.0)
    assert alone is not None
    assert (alone["t acc"]["value"], alone["t acc"]["se"], alone["t acc"]["passed"]) == (1.0, None, None)
    assert not failed(alone)
    write_understanding(tmp_path, [{**row, "doc_hash": "b"}])
    other = figures(beside([row], tmp_path), 1.0)
    assert other is not None
    assert (other["t acc"]["gate"], other["t acc"]["difference"]) == ("not shown", None)
    assert failed(other)
    assert told(other) == ["t acc: 1.000 over 1 documents; no document of the baseline: not shown"]
    assert figures([], 1.0) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--regress", "nowhere.jsonl"], "there is no file nowhere.jsonl"),
        (["--regress", ","], "no task of understanding is named"),
        (["--regress", "scenes-vqa", "-M", "tests.painter", "-a", ""], "writes no words"),
        (["--margin", "0"], "--margin must be above 0 points"),
        (["--baseline", "docs"], "--baseline is what --regress compares with"),
        (["--regress", "scenes-vqa", "--baseline", "docs"], "docs holds no understanding.jsonl"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_drawn(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*EVAL, *more, "-o", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.strip().splitlines()) == 1
    assert not list((tmp_path / "run").rglob("*.png"))


TRAIN = ["train", "-M", "tiny", "-a", "points=3,rows=1,guidance=1", "-t", "scenes", "-v", "quiet", "--set"]
SHORT = ["task_args={split: train, count: 8}", "held_out.task_args={split: evaluation}", "held_out.limit=1",
         "held_out.num_images=1", "num_generations=2", "prompts_per_step=1", "rollout_batch_size=2",
         "per_device_train_batch_size=2", "lora_r=2", "sampler.num_inference_steps=3", "sampler.window_range=[0,2]",
         "sampler.window_size=1", "max_steps=2", "eval_steps=1", "save_steps=2", "sample_steps=0"]  # fmt: skip


def trained(out: Path, *more: str) -> list[dict[str, float]]:
    settings = [one for setting in [*SHORT, *more] for one in ("--set", setting)][1:]
    assert run([*TRAIN, *settings, "-o", str(out)]) in (0, 3)
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_training_is_the_same_to_the_last_bit_with_the_gate_and_without(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.log.plot_curves", lambda *_: None)
    plain, asked = trained(tmp_path / "plain"), trained(tmp_path / "asked", f"held_out.regress={colours}")
    assert plain == asked
    weights = [
        (tmp_path / name / "checkpoints" / "step-000002" / "weights.safetensors").read_bytes()
        for name in ("plain", "asked")
    ]
    assert weights[0] == weights[1]
    first, last = (
        json.loads((tmp_path / "asked" / "held_out" / f"step-00000{step}" / "results.json").read_text())
        for step in (0, 2)
    )
    assert first["understanding"]["colours acc"]["passed"] is None
    assert last["understanding"]["colours acc"]["difference"] is not None
    alone = ["regress", "--model", f"run:{tmp_path / 'asked'}@2", "--task", str(colours)]
    assert run([*alone, "-o", str(tmp_path / "alone")]) == 0
    rows = [{**row, "before": None} for row in read_understanding(tmp_path / "alone")]
    assert rows == [{**row, "before": None} for row in read_understanding(tmp_path / "asked/held_out/step-000002")]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["held_out.regress=scenes-vqa"], "eval_steps 0 makes none"),
        (["held_out.regress=scenes-vqa", "eval_steps=1", "held_out.margin=0"], "held_out.margin must be above 0"),
        (["held_out.regress=scenes-vqa", "eval_steps=1", "model=diffusers"], "asks a model that writes"),
        (["held_out.regress=nowhere.jsonl", "eval_steps=1"], "there is no file nowhere.jsonl"),
    ],
)
def test_a_gate_that_could_not_be_judged_is_told_before_training(
    settings: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one for setting in settings for one in ("--set", setting)]
    assert run(["train", "--dry-run", "-o", str(tmp_path), *given]) == 2
    assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of transformers with random weights and eight words, saved to a folder."""
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("language")
    vocabulary = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=WORDS[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(vocabulary), n_positions=32, n_embd=16, n_layer=2, n_head=2,
                        bos_token_id=0, eos_token_id=0)  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=WORDS[0], unk_token=WORDS[1])
    made.save_pretrained(folder)
    return folder


def likelier(folder: Path, question: str, choices: list[str]) -> int:
    """Which one-word continuation the saved model finds likelier."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        scores = model(**tokenizer(question, return_tensors="pt")).logits[0, -1]
    return int(scores[[tokenizer.convert_tokens_to_ids(one) for one in choices]].argmax())


def test_a_model_of_transformers_answers_a_file_and_a_task_in_lm_evals_own_yaml(
    language: Path, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    lines = [json.loads(line) for line in colours.read_text().splitlines()]
    right = [
        float(one["choices"][likelier(language, one["question"], one["choices"])] == one["answer"]) for one in lines
    ]
    yaml_task = {
        "task": "mine", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(colours)}},
        "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "{{question}}",
        "doc_to_choice": "choices", "doc_to_target": "answer", "metadata": {"version": 1},
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(yaml.safe_dump(yaml_task))
    command = ["regress", "--model", "hf", "--model-args", f"pretrained={language}"]
    given = [*command, "--task", f"{colours},mine", "--include-path", str(tmp_path / "own")]
    assert run([*given, "-o", str(tmp_path / "out")]) == 2
    assert "--allow-task-code" in capsys.readouterr().err
    assert run([*given, "--allow-task-code", "-o", str(tmp_path / "out")]) == 0
    found: dict[str, list[float]] = {}
    for row in sorted(read_understanding(tmp_path / "out"), key=lambda row: row["doc_id"]):
        found.setdefault(row["task"], []).append(row["value"])
    assert found == {"colours": right, "mine": right}
    assert run([*command, "--task", "mien", "--include-path", str(tmp_path / "own"), "--allow-task-code"]) == 2
    assert "no task of lm-eval named 'mien'; did you mean 'mine'?" in capsys.readouterr().err


def test_a_mistaken_task_is_one_sentence_with_the_nearest_and_no_list_of_thousands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run([*EVAL, "--regress", "scenes-vqq", "-o", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'scenes-vqa'" in told
    assert len(told) < 300
    assert not (tmp_path / "run").exists()
