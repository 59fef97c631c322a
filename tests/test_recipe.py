"""Recipes, their checks, and the command before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from harness.bagel.config import PUBLISHED
from harness.main import run
from harness.model_tiny import SHIPPED, read_bagel
from trainer.adapter import Expert, Low, attach
from trainer.averages import needed
from trainer.build import build_assignment
from trainer.check import check_config
from trainer.cost import cost
from trainer.launch import check_sharding
from trainer.memory import memory_lines, shape_of, trained_parts, update_memory
from trainer.memory_trained import trained_bytes
from trainer.recipe import read_recipe, resolved
from trainer.train_config import TrainConfig

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_T37_every_shipped_recipe_composes_and_holds(path: Path) -> None:
    config = read_recipe([path], [])
    check_config(config)
    assert read_recipe([], [f"{name}={value}" for name, value in (("seed", 3),)]).seed == 3
    assert resolved(config)["sampler"]["window_size"] == config.sampler.window_size


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("max_step=3", "did you mean 'max_steps'"),
        ("sampler.window_sise=3", "did you mean 'window_size'"),
        ("sampler=3", "is a section with names and values"),
        ("num_generations=1", "take 2 or more"),
        ("sampler.window_range=[0,9]", "does not lie in"),
        ("sampler.window_size=7", "does not fit the range"),
        ("sampler.kernel=ode", "draws without noise"),
        ("sampler.kernel=euler", "choices are"),
        ("learning_rate=fast", "is not float"),
        ("refine.rounds=2", "needs the mode srr"),
        ("seed", "not of the form name=value"),
        ("report_to=[tensorbord]", "did you mean 'tensorboard'"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_before_any_model(setting: str, told: str) -> None:
    with pytest.raises(ValueError, match="(?s)" + told.replace("[", r"\[").replace("(", r"\(")):
        check_config(read_recipe([], [setting]))


def test_a_recipe_file_with_an_unknown_key_names_file_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("learning_rat: 1e-4\n")
    assert run(["train", "--config", str(recipe), "--plan"]) == 2
    told = capsys.readouterr().err
    assert "mine.yaml" in told
    assert "'learning_rate'" in told


def test_training_on_the_prompts_that_are_held_out_is_refused() -> None:
    settings = ["eval_steps=1", "task_args={split: evaluation}", "held_out.task_args={split: evaluation}"]
    with pytest.raises(ValueError, match="name another split"):
        build_assignment(read_recipe([], settings))


def test_the_cost_model_counts_forwards_as_the_table_does() -> None:
    fast = read_recipe([], ["sampler.num_inference_steps=10"])
    assert cost(fast).total == 10 + 3 * 2
    guided = read_recipe([], ["sampler.num_inference_steps=10", "sampler.window_size=9", "sampler.window_range=[0,9]",
                              "sampler.guidance_scale=4.5", "image.beta=0.04"])  # fmt: skip
    assert cost(guided).rollout == 20
    assert cost(guided).reference == 18
    assert cost(guided).training == 3 * 18


def test_T37_a_plan_is_printed_without_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--plan", "-o", str(tmp_path / "run")]) == 0
    assert "forwards a trajectory" in capsys.readouterr().out
    assert run(["train", "--dry-run", "-o", str(tmp_path / "run"), "--set", "seed=7"]) == 0
    assert "seed: 7" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_sections_of_a_second_file_change_single_keys_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("sampler: {eta: 0.5, kernel: flow}\n")
    (tmp_path / "b.yaml").write_text("sampler: {eta: 0.6}\n")
    config = read_recipe([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["image.loss=awm"])
    assert (config.sampler.kernel, config.sampler.eta, config.image.loss) == ("flow", 0.6, "awm")
    assert config.text == TrainConfig().text


def test_the_plan_tells_the_memory_of_weights_as_they_are_and_what_saving_saves() -> None:
    config = read_recipe([ROOT / "recipes" / "tiny_rt2i.yaml"], [])
    bagel, _ = read_bagel(SHIPPED)
    shape = shape_of(config)
    assert shape is not None
    rollout, learning = update_memory(config, shape)
    tables = bagel.latent_pos_embed.pos_embed.numel()  # fixed, and written beside the weights
    assert rollout.weights == pytest.approx(4 * sum(one.numel() for one in bagel.parameters()), abs=8 * tables)
    assert learning.total > rollout.total
    recipe = ROOT / "recipes" / "bagel_rt2i.yaml"
    small, large = (read_recipe([recipe], [f"gradient_checkpointing={one}"]) for one in ("true", "false"))
    assert update_memory(small, PUBLISHED)[1].total < 0.5 * update_memory(large, PUBLISHED)[1].total
    assert [name for name, _ in memory_lines(small)][:3] == [
        "memory of the weights", "memory of a rollout", "memory of a training step",
    ]  # fmt: skip
    assert memory_lines(replace(config, model="diffusers")) == []


@pytest.mark.parametrize("think", [False, True])
@pytest.mark.parametrize("rank", [0, 8])
def test_the_plan_counts_what_is_trained_and_what_shards_save(think: bool, rank: int) -> None:
    config = read_recipe([ROOT / "recipes" / "tiny_rt2i.yaml"], [f"think={think}", f"lora_r={rank}"])
    bagel, _ = read_bagel(SHIPPED)
    shape = shape_of(config)
    assert shape is not None
    experts: tuple[Expert, ...] = ("generation", "understanding") if think else ("generation",)
    trained = attach(bagel, experts, Low(rank, rank) if rank else None)
    assert sum(trained_parts(config, shape)) == pytest.approx(sum(one.numel() for one in trained.values()), rel=0.01)
    whole, *split = (update_memory(config, shape, many)[1].total for many in (None, 1, 2, 8))
    assert split == sorted(split, reverse=True)
    parts = trained_parts(config, shape)  # and what tests/test_shards.py counts in each of two processes:
    numbers = 1 + 2 + len(needed(config))  # a master, two moments, slow copies
    assert trained_bytes(config, parts, 4, 2)[0] == 4 * sum(parts) + 4 * numbers * sum(parts) // 2
    assert split[-1] < whole < split[0]  # one process alone has masters beside the numbers that compute


def test_all_weights_of_bagel_are_trained_on_cards_that_hold_a_part_of_their_moments() -> None:
    config = read_recipe([ROOT / "recipes" / "bagel_rt2i.yaml"], ["lora_r=0", "think=false"])
    whole, eight = (update_memory(config, PUBLISHED, many)[1].total for many in (None, 8))
    assert whole > 140e9
    assert eight < 76e9


def test_a_tracker_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.check.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install wandb"):
        check_config(read_recipe([], ["report_to=[wandb]"]))


@pytest.mark.parametrize("path", sorted((ROOT / "recipes" / "accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_the_launches_that_ship(path: Path) -> None:
    found = load_config_from_file(str(path))
    assert (found.num_machines, found.mixed_precision) == (1, "no")
    assert found.num_processes == (2 if path.stem == "cpu" else 8)


def test_a_launch_that_asks_for_what_is_not_done_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("ACCELERATE_USE_DEEPSPEED", "true")
        with pytest.raises(ValueError, match=r"asks for DeepSpeed.*fsdp2\.yaml.*ZeRO-2"):
            check_sharding()
    served = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_RESHARD_AFTER_FORWARD": "false"}
    for name, value in served.items():
        monkeypatch.setenv(name, value)
    check_sharding()
    for name, value, told in (
        ("FSDP_RESHARD_AFTER_FORWARD", "true", "fsdp_reshard_after_forward: true"),
        ("FSDP_OFFLOAD_PARAMS", "true", "fsdp_offload_params: true"),
        ("FSDP_CPU_RAM_EFFICIENT_LOADING", "true", "fsdp_cpu_ram_efficient_loading: true"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "gradient_checkpointing of the recipe"),
    ):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(ValueError, match=told):
                check_sharding()


def test_a_new_task_does_not_get_the_arguments_of_the_old_one() -> None:
    recipe = ROOT / "recipes" / "tiny_rt2i.yaml"
    same = read_recipe([recipe], ["task=scenes", "task_args.count=5"])
    assert same.task_args == {"split": "train", "count": 5}
    assert read_recipe([recipe], ["task=questions", "task_args={path: mine.jsonl}"]).task_args == {"path": "mine.jsonl"}
    named = read_recipe([recipe], [], {"task": "mine.jsonl", "model_args": {"points": 9}})
    assert (named.task_args, named.model_args) == ({}, {"guidance": 1.0, "points": 9})


def test_a_tracker_that_is_not_installed_is_one_sentence_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.check.find_spec", lambda package: None)
    for name, brings in (("tensorboard", r"'image-harness\[tracking\]'"), ("wandb", "wandb")):
        with pytest.raises(ValueError, match=f"report_to {name} needs the package {name}; `pip install {brings}`"):
            check_config(read_recipe([], [f"report_to=[{name}]"]))
