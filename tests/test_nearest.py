"""Free answers are taken to the nearest choice, by a small random sentence encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from harness.assemble import build_reward, load_task
from harness.main import run
from reward.nearest import Nearest, open_nearest
from reward.verifier import Reply
from tasks.sample import Generation, Question, Response
from tests.judge import ScriptedJudge

transformers = pytest.importorskip("transformers")
PICTURE = Image.new("RGB", (8, 8), "red")
COLOURS = Question("q", "What colour?", {"red": 0.0, "dark blue": 1.0, "green": 0.0})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sentence encoder that knows its letters."""
    folder = tmp_path_factory.mktemp("encoder")
    letters = [chr(one) for one in range(97, 123)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{one}" for one in letters)]
    tokenizer = transformers.BertTokenizer({word: place for place, word in enumerate(vocabulary)})
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1,
                                     num_attention_heads=2, intermediate_size=16)  # fmt: skip
    tokenizer.save_pretrained(folder)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


class Never:
    id, stand_in = "never", ""

    def nearest(self, text: str, choices: list[str]) -> int:
        raise AssertionError(f"{text!r} is one of {choices}")


def test_an_answer_that_is_a_choice_needs_no_encoder_and_an_empty_one_has_no_value() -> None:
    read = Nearest(Never())
    assert read(Reply("ok", " dark blue\n"), COLOURS, 0.0).value == 1.0
    assert read(Reply("ok", "  "), COLOURS, 0.0).status == "parse_error"
    with pytest.raises(AssertionError):
        read(Reply("ok", "Red"), COLOURS, 0.0)


def test_any_other_answer_goes_to_the_choice_with_the_largest_cosine_of_mean_vectors(encoder: str) -> None:
    read = open_nearest(encoder)
    model = transformers.BertModel.from_pretrained(encoder).eval()
    tokenizer = transformers.BertTokenizer.from_pretrained(encoder)

    def vector(text: str) -> torch.Tensor:
        with torch.inference_mode():
            mean = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0)
        return mean / mean.norm()

    for said in ("navy", "a dark, dark blue", "grass", "RED!"):
        cosines = {choice: float(vector(said) @ vector(choice)) for choice in COLOURS.worth}
        assert read(Reply("ok", said), COLOURS, 0.0).value == COLOURS.worth[max(cosines, key=lambda one: cosines[one])]


def test_tifa_asks_a_vqa_model_freely_and_names_the_encoder_that_stands_in(
    official: Path, tmp_path: Path, encoder: str
) -> None:
    arguments: dict[str, Any] = {"split": "sample", "free_answers": True, "sentences": encoder}
    task = load_task("tifa", arguments)
    sample = task.samples[0]
    judge = ScriptedJudge({"": next(iter(sample.questions[0].worth))})
    (score,) = build_reward(task, judge).score([Generation(sample, 1, Response(PICTURE))])
    assert score.value is not None
    assert {(one.answers, one.max_tokens) for one in judge.queries} == {((), 20)}
    rows = [{"item_id": one.id, "question_id": question.id, "answer": "something"}
            for one in task.samples for question in one.questions]  # fmt: skip
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = ["--task", "tifa", "--task-args", json.dumps(arguments), "--model", "blank", "-v", "quiet"]
    recorded = ["--verifier", "recorded", "--verifier-args", f"path={tmp_path / 'answers.jsonl'}"]
    assert run(["eval", *flags, *recorded, "-o", str(tmp_path / "run")]) == 0
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["task"]["name"] == "tifa@bert-1x16"
    assert record["reward"]["options"]["sentences"].startswith("sentences:bert-1x16@")


def test_what_is_missing_is_told(tmp_path: Path, official: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        open_nearest(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="needs the option 'sentences'"):
        open_nearest("")
    with pytest.raises(ValueError, match="say free_answers=true"):
        load_task("tifa", {"split": "sample", "sentences": "x"})
