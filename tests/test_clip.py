"""The cosine of a picture and a text, by a small random CLIP, and its reading."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from harness.assemble import build_reward, load_task
from harness.main import run
from reward.reading import cosine
from reward.verifier import Query, Reply
from reward.verifier_clip import Arguments, build
from tasks.sample import Generation, Question, Response
from tests.test_detector_models import PICTURE, save, words

__all__ = ["words"]
transformers = pytest.importorskip("transformers")


def clip(folder: Path, tokenizer: object) -> str:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**size, "vocab_size": 60, "max_position_embeddings": 32, "eos_token_id": 53, "bos_token_id": 52}
    config = transformers.CLIPConfig(text_config=text, vision_config={**size, "image_size": 32, "patch_size": 16},
                                     projection_dim=8)  # fmt: skip
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return save(folder, transformers.CLIPModel(config), processor, tokenizer)


def test_a_cosine_is_the_models_own_whatever_else_is_asked(tmp_path: Path, words: object) -> None:
    where = clip(tmp_path, words)
    verifier = build(Arguments(where))
    texts = ["a cat", "two dogs and a rabbit in a field of flowers " * 3]
    both = verifier.ask([Query((PICTURE,), text, ()) for text in texts])
    alone = verifier.ask([Query((PICTURE,), texts[0], ())])
    assert float(both[0].text) == pytest.approx(float(alone[0].text), abs=1e-6)
    model = transformers.CLIPModel.from_pretrained(where).eval()
    processor = transformers.CLIPImageProcessorPil.from_pretrained(where)
    with torch.inference_mode():
        found = model(**processor(images=[PICTURE], return_tensors="pt"), **words(["a cat"], return_tensors="pt"))  # type: ignore[operator]
        wanted = float(found.logits_per_image[0, 0] / model.logit_scale.exp())
    assert float(alone[0].text) == pytest.approx(wanted, abs=1e-5)
    assert verifier.ask([Query((), "a cat", ())])[0].status == "parse_error"
    with pytest.raises(ValueError, match="cannot be had"):
        build(Arguments(str(tmp_path / "nowhere")))


@pytest.mark.parametrize(
    ("text", "value"), [("0.31", 0.31), ("-0.2", 0.0), ("1.000001", 1.0), ("nan", None), ("1.5", None), ("yes", None)]
)
def test_a_cosine_is_read_whole_and_not_below_zero(text: str, value: float | None) -> None:
    assert cosine(Reply("ok", text), Question("q", "a cat"), 0.0).value == value
    assert not math.isnan(value or 0.0)


def test_oneigs_answers_are_what_pictures_are_held_against(official: Path, tmp_path: Path, words: object) -> None:
    task = load_task("oneig-reasoning", {})
    sample = task.samples[0]
    assert sample.questions[0].text.startswith("The world's five tallest peaks")
    reward = build_reward(task, build(Arguments(clip(tmp_path, words))))
    (score,) = reward.score([Generation(sample, 1, Response(Image.new("RGB", (40, 32), "blue")))])
    assert score.value is not None
    flags = ["--task", "oneig-reasoning", "--samples", sample.id, "--num-images", "1", "--model", "blank"]
    scorer = ["--verifier", "clip", "--verifier-args", f"pretrained={tmp_path}", "-v", "quiet"]
    assert run(["eval", *flags, *scorer, "-o", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run/run.json").read_text())["task"]["name"] == "oneig-reasoning@clip"
