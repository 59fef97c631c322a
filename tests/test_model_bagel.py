"""--model bagel: the official layout opened, drawn with, thought with, edited with, trained; faults told by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from harness.bagel.config import PUBLISHED
from harness.bagel.layout import Layout, find_folder, read_config
from harness.bagel.lens import Lens
from harness.bagel.prompts import Prompts
from harness.bagel.reference import Reference
from harness.bagel.tokenizer import MARKS, TextCoder
from harness.bagel.unified import Unified
from harness.main import run
from harness.model import Setting
from harness.model_bagel import PROMPTS, Arguments, build
from harness.verifier_self import itself
from reward.verifier import Query
from tasks.sample import Request, Response
from tests.published import SHAPE, write_checkpoint

ROOT = Path(__file__).parent.parent
SMALL = "width=32,height=32,points=4,longest=6"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("bagel") / "small")


@pytest.fixture
def broken(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "broken"))


def opened(folder: Path, **more: Any) -> Unified:
    given = {"width": 32, "height": 32, "points": 4, "rows": 2, "longest": 6, **more}
    return build(Arguments(str(folder), **given), Setting())


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Unified:
    return opened(checkpoint)


def evaluate(checkpoint: Path, out: Path, *flags: str) -> list[dict[str, Any]]:
    arguments = f"pretrained={checkpoint},{SMALL}"
    assert run(["eval", "--model", "bagel", "--model-args", arguments, "-o", str(out), "-v", "quiet", *flags]) == 0
    return [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]


def test_the_shape_is_read_off_the_files(checkpoint: Path) -> None:
    assert read_config(Layout(checkpoint, checkpoint / "ema.safetensors", checkpoint / "ae.safetensors")) == SHAPE


def test_the_shape_of_the_official_reference_is_read_off_its_files(shared: Path) -> None:
    folder = shared / "fixtures" / "bagel_reference"
    found = read_config(Layout(folder, folder / "ema.safetensors", folder / "ae.safetensors"))
    assert found == Reference(folder).bagel.config


def test_pictures_are_drawn_and_scored(checkpoint: Path, tmp_path: Path) -> None:
    rows = evaluate(checkpoint, tmp_path / "run", "--limit", "2", "--num-images", "2")
    assert len(rows) == 4
    assert all(row["score"] is not None for row in rows)
    record = json.loads((tmp_path / "run" / "run.json").read_text())["model"]
    assert record["id"].startswith("small@")
    assert record["generation"]["guidance"]["text"] == 4.0
    assert record["generation"]["editing"] == {**record["generation"]["guidance"], "image": 2.0,
                                               "renorm": "text_channel"}  # fmt: skip


def test_reason_writes_a_plan_before_the_picture(checkpoint: Path, tmp_path: Path) -> None:
    rows = evaluate(checkpoint, tmp_path / "run", "--limit", "1", "--num-images", "2", "--reason")
    assert len(rows) == 2
    model = json.loads((tmp_path / "run" / "run.json").read_text())["model"]
    assert model["id"].endswith("+think")
    assert model["prompts_sha256"] == Prompts.read(PROMPTS).digest
    assert any(row["thought"] for row in rows)


def test_edits_are_scored(checkpoint: Path, tmp_path: Path) -> None:
    rows = evaluate(checkpoint, tmp_path / "run", "--task", "scenes-edit", "--limit", "1", "--num-images", "1")
    assert len(rows) == 1
    assert all(row["score"] is not None for row in rows)


def test_pictures_are_drawn_again_after_it_looked_at_them(checkpoint: Path, tmp_path: Path) -> None:
    plain = evaluate(checkpoint, tmp_path / "plain", "--limit", "2", "--num-images", "2")
    rows = evaluate(checkpoint, tmp_path / "run", "--limit", "2", "--num-images", "2", "--refine", "1", "--gate", "all")
    assert [row["drafts"][0]["score"] for row in rows] == [row["score"] for row in plain]
    for row in rows:
        (draft,) = row["drafts"]
        assert draft["image"] != row["image"]["sha256"]
        assert draft["reflection"]
        assert (row["score"] is not None, row["refinement"]["rounds"]) == (True, 1)
    found = json.loads((tmp_path / "run" / "results.json").read_text())["refinement"]
    assert (found["label"], found["refined"]["count"]) == ("refine1[gate=all]", 4)


def test_it_answers_questions_about_pictures_of_any_size(model: Unified) -> None:
    pictures = [Image.new("RGB", size, "red") for size in ((32, 32), (48, 24))]
    queries = [Query((picture,), text) for picture in pictures for text in ("Is it red?", "Is there a blue ring?")]
    together = itself(model).ask(queries)
    for query, one in zip(queries, together, strict=True):
        assert set(one.probabilities) == {"yes", "no"}
        assert 0.0 < sum(one.probabilities.values()) < 1.0
        assert one.probabilities == pytest.approx(itself(model).ask([query])[0].probabilities, rel=1e-4)


def test_an_edit_has_the_shape_of_its_source_and_its_neighbours_change_nothing(model: Unified) -> None:
    wide, tall = (Image.new("RGB", size, "orange") for size in ((300, 150), (20, 24)))
    requests = [Request("a star", (wide,)), Request("a star", (tall,)), Request("a star")]
    found = model.generate(requests, [1, 2, 3])
    assert [one.image.size for one in found] == [(32, 16), (20, 24), (32, 32)]
    alone = model.generate(requests[1:2], [2])[0]
    assert alone.image.tobytes() == found[1].image.tobytes()


def test_image_guidance_is_of_edits_alone(checkpoint: Path, model: Unified) -> None:
    source, strong = Image.new("RGB", (32, 32), "orange"), opened(checkpoint, image_guidance=9.0)
    drawn, edited = Request("a star"), Request("a star", (source,))
    first, second = (
        [response_bytes(one) for one in each.generate([drawn, edited], [1, 1])] for each in (model, strong)
    )
    assert first[0] == second[0]
    assert first[1] != second[1]


def response_bytes(response: Response) -> bytes:
    return response.image.tobytes()


def test_the_defaults_are_those_of_the_published_model(checkpoint: Path) -> None:
    given = Arguments(str(checkpoint))
    assert (given.points, given.shift, given.guidance, given.image_guidance) == (50, 3.0, 4.0, 2.0)
    assert (given.low, given.high, given.renorm, given.edit_renorm) == (0.4, 1.0, "global", "text_channel")
    assert (given.width, given.height) == (1024, 1024)
    assert (given.temperature, given.longest) == (0.3, 1000)


@pytest.mark.parametrize(
    ("size", "whole", "seen"),
    [
        ((1024, 1024), (1024, 1024), (980, 980)),
        ((2000, 1000), (1024, 512), (980, 490)),
        ((300, 200), (768, 512), (770, 518)),
        ((1000, 1001), (992, 1008), (966, 980)),
        ((4000, 1000), (1024, 256), (980, 252)),
        ((16, 16), (512, 512), (518, 518)),
        ((100, 6400), (16, 1024), (14, 980)),
    ],
)
def test_given_pictures_are_sized_by_the_published_rules(
    size: tuple[int, int], whole: tuple[int, int], seen: tuple[int, int]
) -> None:
    lens = Lens.of(PUBLISHED)
    assert (lens.latents.longest, lens.latents.shortest, lens.latents.stride) == (1024, 512, 16)
    assert lens.patches is not None
    assert (lens.patches.longest, lens.patches.shortest, lens.patches.stride) == (980, 224, 14)
    picture = lens.whole(Image.new("RGB", size))
    assert picture.size == whole
    assert lens.seen(picture).size == seen


def test_a_picture_too_long_for_any_shape_is_refused_by_name(model: Unified) -> None:
    with pytest.raises(ValueError, match=r"image of 3 x 400 pixels is more than 8 times as long"):
        model.generate([Request("a star", (Image.new("RGB", (3, 400)),))], [1])


def test_what_is_transparent_lies_on_white(model: Unified) -> None:
    clear, white = Image.new("RGBA", (32, 32), (0, 0, 0, 0)), Image.new("RGB", (32, 32), "white")
    assert model.lens is not None
    assert model.lens.whole(clear).tobytes() == white.tobytes()


def test_both_forms_of_the_tokenizer_give_the_ids_of_qwen2(checkpoint: Path, broken: Path) -> None:
    from transformers import Qwen2Tokenizer

    official = Qwen2Tokenizer.from_pretrained(checkpoint)
    (broken / "tokenizer.json").unlink()
    coders = [TextCoder.read_folder(folder) for folder in (checkpoint, broken)]
    for text in ("a red star above 12 squares", "it's ÉTÉ e\u0301 \n\n  two", "你好 star\t!?"):
        expected = official.encode(text)
        assert [coder.encode(text)[1:-1] for coder in coders] == [expected, expected]
        assert coders[0].decode(expected) == official.decode(expected)
    for coder in coders:
        assert [coder.special.begin, coder.special.end] == official.convert_tokens_to_ids(list(MARKS[:2]))


def test_marks_that_a_tokenizer_lacks_come_after_its_last_id(broken: Path) -> None:
    content = json.loads((broken / "tokenizer.json").read_text())
    content["added_tokens"] = [one for one in content["added_tokens"] if "vision" not in one["content"]]
    (broken / "tokenizer.json").write_text(json.dumps(content))
    before, coder = TextCoder.read_folder(broken).size - 2, TextCoder.read_folder(broken)
    assert (coder.special.start_of_image, coder.special.end_of_image) == (before, before + 1)


def test_tables_of_positions_may_be_left_out(broken: Path, model: Unified) -> None:
    weights = load_file(broken / "ema.safetensors")
    save_file({name: one for name, one in weights.items() if "pos_embed" not in name}, broken / "ema.safetensors")
    found = opened(broken).bagel.vit_pos_embed.pos_embed
    assert torch.allclose(found, model.bagel.vit_pos_embed.pos_embed, atol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_network_has_the_type_asked_for_and_the_autoencoder_is_exact(checkpoint: Path, dtype: str) -> None:
    found = opened(checkpoint, dtype=dtype)
    assert {str(one.dtype) for one in found.bagel.parameters()} == {f"torch.{dtype}"}
    assert {one.dtype for one in found.space.parameters()} == {torch.float32}
    assert found.generate([Request("a star")], [1])[0].image.size == (32, 32)


def test_prompts_of_a_file_are_used(checkpoint: Path, tmp_path: Path) -> None:
    texts = json.loads(PROMPTS.read_text())
    (tmp_path / "mine.json").write_text(json.dumps({**texts, "think": "star"}))
    found = opened(checkpoint, reason=True, prompts=tmp_path / "mine.json")
    assert found.thinking is not None
    assert found.thinking.prompts.think == "star"


def spoil_tensor(folder: Path, file: str, name: str, change: Any) -> None:
    weights = load_file(folder / file)
    changed = change(weights.pop(name))
    save_file({**weights, **({} if changed is None else {name: changed})}, folder / file)


PROJECTION = "language_model.model.layers.1.self_attn.q_proj_moe_gen.weight"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda at: (at / "ae.safetensors").unlink(), "lacks ae.safetensors"),
        (lambda at: [(at / one).unlink() for one in ("llm_config.json", "vit_config.json")],
         "lacks llm_config.json, vit_config.json"),
        (lambda at: [(at / one).unlink() for one in ("tokenizer.json", "merges.txt")],
         "lacks tokenizer.json or vocab.json and merges.txt"),
        (lambda at: (at / "ema.safetensors").rename(at / "ema.bin"), "lacks ema.safetensors; ema.bin can run code"),
        (lambda at: torch.save({}, at / "ema.safetensors"), "ema.safetensors is cut short, damaged or no safetensors"),
        (lambda at: (at / "ema.safetensors").write_bytes((at / "ema.safetensors").read_bytes()[:-9]),
         "ema.safetensors is cut short"),
        (lambda at: spoil_tensor(at, "ema.safetensors", PROJECTION, lambda one: one[:-1]),
         rf"ema.safetensors: .* of another shape: {PROJECTION} \(31, 32\) instead of \(32, 32\)"),
        (lambda at: spoil_tensor(at, "ema.safetensors", PROJECTION, lambda one: None),
         f"ema.safetensors: .* 1 missing: {PROJECTION}"),
        (lambda at: spoil_tensor(at, "ema.safetensors", "llm2vae.weight", lambda one: one[:-1]),
         "ema.safetensors: llm2vae.weight gives 15 numbers"),
        (lambda at: spoil_tensor(at, "ema.safetensors", "llm2vae.weight", lambda one: None), "the tensor llm2vae"),
        (lambda at: spoil_tensor(at, "ae.safetensors", "decoder.mid.attn_1.q.weight", lambda one: one[:-1]),
         "ae.safetensors: .* of another shape: decoder.mid.attn_1.q.weight"),
        (lambda at: spoil_tensor(at, "ae.safetensors", "encoder.conv_in.weight", lambda one: None),
         "ae.safetensors lacks the tensor encoder.conv_in.weight"),
        (lambda at: (at / "llm_config.json").write_text('{"hidden_size": 32}'), "llm_config.json does not tell"),
        (lambda at: (at / "vit_config.json").write_text("{}"), "vit_config.json: .* lacks hidden_size"),
        (lambda at: (at / "vit_config.json").write_text("[]"), "vit_config.json holds no JSON object"),
        (lambda at: (at / "tokenizer.json").write_text("{}"), "tokenizer.json is not a usable tokenizer"),
        (lambda at: change_json(at / "vit_config.json", patch_size=0), "vit_config.json: .* by zero"),
        (lambda at: change_json(at / "vit_config.json", image_size="32"), "vit_config.json: unsupported operand"),
        (lambda at: change_json(at / "llm_config.json", vocab_size=300), "ids up to .* vocab_size of 300"),
        (lambda at: change_json(at / "llm_config.json", num_attention_heads=5), "5 heads over 2 of keys do not divide"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_right_is_refused_by_file_and_tensor(broken: Path, spoil: Any, told: str) -> None:
    spoil(broken)
    with pytest.raises(ValueError, match=told):
        opened(broken)


def change_json(path: Path, **more: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"width": 30}, r"width=30 is no multiple of 4 between 4 and 32"),
        ({"height": 64}, r"height=64 is no multiple of 4"),
        ({"rows": 0}, "rows must be at least 1"),
        ({"max_memory": ("1GiB",), "device_map": "auto"}, "max_memory has 1 sizes, but there are 0 GPUs"),
        ({"max_memory": ("1GiB",)}, "max_memory= bounds what device_map=auto takes"),
        ({"temperature": -1.0}, "temperature -1.0 must be at least 0"),
    ],
)
def test_arguments_that_cannot_be_are_one_sentence(checkpoint: Path, arguments: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        opened(checkpoint, **arguments)


def test_layers_are_not_spread_over_gpus_of_other_processes_or_not_asked_for(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match="takes all GPUs for one process, but 4 were launched"):
        opened(checkpoint, device_map="auto")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match="give --device cuda"):
        opened(checkpoint, device_map="auto")


def test_a_repository_is_found_in_the_cache_of_the_hub(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "models--owner--small"
    shutil.copytree(checkpoint, place / "snapshots" / ("a" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert find_folder("owner/small") == place / "snapshots" / ("a" * 40)
    given = {"width": 32, "height": 32, "points": 2, "rows": 1}
    assert build(Arguments("owner/small", **given), Setting()).id.startswith("small@")


@pytest.mark.parametrize(
    ("name", "told"),
    [("no/such/folder", "neither a folder nor a repository"), ("owner/name", "not in the local cache of the hub")],
)
def test_a_checkpoint_that_is_nowhere_is_one_sentence_and_leaves_no_folder(
    name: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert run(["eval", "--model", "bagel", "--model-args", f"pretrained={name}", "--offline", "-o", out]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def forecast(capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["eval", "--model", "bagel", "--dry-run", "--json", "--limit", "2", *flags]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_dry_run_tells_memory_and_time_of_the_published_model(capsys: pytest.CaptureFixture[str]) -> None:
    published = ("--model-args", "pretrained=ByteDance-Seed/BAGEL-7B-MoT,rows=1", "--device", "cuda")
    drawn, planned, edited = (
        forecast(capsys, *published, *more) for more in ((), ("--reason",), ("--task", "scenes-edit"))
    )
    assert drawn["gigabytes_of_weights"] == 29.5
    assert drawn["forwards_an_image"] == 49 + 41
    assert edited["forwards_an_image"] == 49 + 2 * 41
    assert drawn["seconds_an_image_on_one_h100"] < planned["seconds_an_image_on_one_h100"]
    assert drawn["gigabytes_in_all"] < planned["gigabytes_in_all"] < edited["gigabytes_in_all"]


def test_a_dry_run_reads_the_shape_of_a_folder_and_names_what_is_wrong_with_it(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = forecast(capsys, "--model-args", f"pretrained={broken},{SMALL}")
    numbers = sum(one.numel() for file in ("ema", "ae") for one in load_file(broken / f"{file}.safetensors").values())
    assert found["gigabytes_of_weights"] == pytest.approx(numbers * 4 / 1e9, rel=0.01)
    assert "seconds_an_image_on_one_h100" not in found
    (broken / "ae.safetensors").unlink()
    assert run(["eval", "--model", "bagel", "--dry-run", "--model-args", f"pretrained={broken}"]) == 2
    assert "lacks ae.safetensors" in capsys.readouterr().err


RECORD = {
    "prompt": "two red apples",
    "semantic_questions": [{"question_type": "semantic", "question": "Are there two apples?", "tag": "Count"}],
    "quality_questions": [{"question_type": "quality", "question": "Are they round?", "tag": "Geometry"}],
}


@pytest.mark.parametrize("recipe", ["bagel_rt2i", "bagel_srr"])
def test_the_recipes_tell_their_cost_without_a_server(
    recipe: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.jsonl").write_text(json.dumps(RECORD))
    command = ["train", "--config", str(ROOT / "recipes" / f"{recipe}.yaml"), "--plan"]
    command += ["--set", f"task_args.path={tmp_path / 'prompts.jsonl'}"]
    assert run(command) == 0
    published = capsys.readouterr().out
    small = {"pretrained": checkpoint, "width": 32, "height": 32}
    assert (
        run([*command, *(part for key, value in small.items() for part in ("--set", f"model_args.{key}={value}"))]) == 0
    )
    for told in (published, capsys.readouterr().out):
        assert told.splitlines()[0].split() == ["trajectories", "an", "update", "448", "(32", "prompts", "x", "14)"]
        assert "memory of a training step" in told
    assert "memory of the weights            27." in published


@pytest.mark.parametrize("mode", [pytest.param("rt2i", marks=pytest.mark.proof), "srr"])
def test_the_same_weights_are_trained(checkpoint: Path, tmp_path: Path, mode: str) -> None:
    recipe = tmp_path / "small.yaml"
    recipe.write_text(f"""
model: bagel
model_args: {{pretrained: {checkpoint}, width: 32, height: 32, points: 4, rows: 2}}
task: scenes
mode: {mode}
think: true
max_steps: 1
prompts_per_step: 2
num_generations: 2
rollout_batch_size: 4
per_device_train_batch_size: 2
lora_r: 4
lora_alpha: 8
text: {{max_completion_length: 5}}
refine: {{init_images: 2}}
sampler: {{num_inference_steps: 4, window_size: 2, window_range: [0, 3], guidance_scale: 4.0}}
sample_steps: 0
""")
    out = tmp_path / "run"
    assert run(["train", "--config", str(recipe), "-o", str(out), "--verbosity", "quiet"]) == 0
    weights = load_file(next((out / "checkpoints").glob("*/weights.safetensors")))
    assert any(name.startswith("language_model.model.layers.0.self_attn.q_proj_moe_gen.lora_A") for name in weights)
    assert any(bool(one.abs().max() > 0) for name, one in weights.items() if "lora_B" in name)
    assert json.loads((out / "training.json").read_text())["updates"] == 1
