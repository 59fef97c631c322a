"""Rollout and replay of the unified policy: the same path, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from harness.bagel.config import BagelConfig, LanguageConfig
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel
from harness.bagel.tokenizer import TextCoder
from harness.bagel.unified import Drawing, Unified
from harness.bagel.vae import build_image_space
from harness.bagel.write import Sampling
from tasks.sample import Question, Request, Sample
from tasks.scenes import Arguments, load
from trainer.adapter import Low, compute_again, disabled, swapped, tuners
from trainer.averages import Averages
from trainer.launch import Launch
from trainer.masters import Masters
from trainer.objective import stacked
from trainer.parity import measure
from trainer.plan import Group, plan_step
from trainer.policy_unified import Rollout, UnifiedPolicy
from trainer.replay import choice
from trainer.sampler import Sampler
from trainer.script import Script, view_of
from trainer.shards import snapshot
from trainer.train_config import TrainConfig
from trainer.trajectory import Situation, Trajectory
from trainer.update import Lesson, accumulate
from trainer.vocabulary import build_tokenizer, vocabulary
from trainer.window import Window

TEMPLATES = {"think": "think first", "open": "you drew this for : {prompt} . does it match ?"}
SAMPLES = load(Arguments(split="train", count=6)).samples


def tiny(seed: int = 0, side: int = 16) -> Unified:
    """A random model of a few thousand parameters that draws pictures of 16 x 16 pixels."""
    coder = TextCoder(build_tokenizer())
    language = LanguageConfig((len(vocabulary()) + 63) // 64 * 64, 32, 64, 2, 2, 2, rope_theta=10_000.0)
    torch.manual_seed(seed)
    bagel = Bagel(BagelConfig(language, None, None, 8, side // 8), coder.special).eval()
    drawing = Drawing(5, 1.0, Guidance(1.0), side, side, 4)
    return Unified(f"random{seed}", {}, bagel, build_image_space(None), coder, drawing)


def policy_of(
    think: bool = False, low: Low | None = None, guidance: float = 1.0, rows: int = 8, rounds: int = 1
) -> UnifiedPolicy:
    unified = tiny()
    sampler = Sampler(6, 1.0, "cps", 0.8, Window(2, 0, 4), Guidance(guidance, 1.0, 0.0, 1.0, "none"))
    script = Script(unified.coder, TEMPLATES, lambda picture: view_of(unified, picture), think)
    return UnifiedPolicy(unified, script, Rollout(sampler, Sampling(most=6), rounds, rows), low)


def rows_of(count: int = 2, members: int = 4) -> list[tuple[Situation, int]]:
    samples = {sample.id: sample for sample in SAMPLES}
    groups = plan_step(tuple(samples), 0, 0, count)
    return [
        (Situation(group, samples[group.prompt], samples[group.prompt].request), member)
        for group in groups
        for member in range(members)
    ]


def refining(policy: UnifiedPolicy) -> list[tuple[Situation, int]]:
    pictures = policy.sketch([situation for situation, _ in rows_of(2, 1)], 1)
    return [
        (replace(situation, refine=True, request=Request(situation.request.prompt, (pictures[row // 4][0],))), member)
        for row, (situation, member) in enumerate(rows_of())
    ]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("think", [False, True])
def test_T28_a_replay_gives_the_log_probabilities_of_the_rollout_bit_for_bit(guidance: float, think: bool) -> None:
    policy = policy_of(think, guidance=guidance)
    found = measure(policy, policy.explore(rows_of()))
    assert found.largest == 0.0
    assert found.text < 1e-5


@pytest.mark.parametrize("rounds", [1, 2])
def test_T28_refinements_of_one_and_more_rounds_replay_as_they_were(rounds: int) -> None:
    policy = policy_of(think=True, guidance=2.0, rounds=rounds)
    trajectories = policy.explore(refining(policy))
    kinds = ("Given", "Given", "Given", "Wrote", "Drew")
    assert trajectories[0].kinds == (kinds if rounds == 1 else (*kinds, "Given", "Wrote", "Drew"))
    assert len(trajectories[0].generation.response.drafts) == rounds - 1  # type: ignore[union-attr]
    found = measure(policy, trajectories)
    assert found.largest <= 1e-6
    assert found.text < 1e-5


def test_T28_latents_kept_in_half_precision_are_found_out() -> None:
    policy = policy_of()
    spoiled: list[Trajectory] = []
    for one in policy.explore(rows_of()):
        drew = one.drawings[0]
        spoiled.append(replace(one, steps=(*one.steps[:-1], replace(drew, after=drew.after.bfloat16().float()))))
    assert measure(policy, spoiled).largest > 1e-6


def test_T27_splitting_a_group_into_chunks_changes_no_latent() -> None:
    policy = policy_of()
    rows = rows_of(1, 8)
    whole = [one.drawings[0].final for one in policy.explore(rows)]
    split = [one.drawings[0].final for part in (rows[:4], rows[4:]) for one in policy.explore(part)]
    assert all(torch.equal(one, other) for one, other in zip(whole, split, strict=True))


def test_T26_all_members_of_a_group_share_one_window() -> None:
    for one in policy_of().explore(rows_of()):
        assert one.drawings[0].places == Window(2, 0, 4).choose(one.situation.group)


def test_T29_the_reference_is_the_base_model_to_the_last_bit_and_adapters_come_back() -> None:
    plain, policy = policy_of(), policy_of(low=Low(4, 8))
    before = plain.explore(rows_of())[0].drawings[0].final
    for name, parameter in policy.parameters().items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    assert not torch.equal(policy.explore(rows_of())[0].drawings[0].final, before)
    with policy.reference():
        assert torch.equal(policy.explore(rows_of())[0].drawings[0].final, before)
    with pytest.raises(RuntimeError, match="on purpose"), disabled(policy.bagel):
        raise RuntimeError("on purpose")
    assert tuners(policy.bagel)
    assert not any(layer.disable_adapters for layer in tuners(policy.bagel))


def test_T30_swapping_averages_in_and_out_leaves_the_live_weights_as_they_were() -> None:
    policy = policy_of()
    averages = Averages.start(policy.parameters(), TrainConfig())
    before = snapshot(policy.parameters())
    with torch.no_grad():
        for parameter in policy.parameters().values():
            parameter.add_(1.0)
    assert all(torch.equal(averages.ema[name], before[name]) for name in before)  # no storage is shared
    live = snapshot(policy.parameters())
    with swapped(policy.parameters(), averages.ema):
        assert all(torch.equal(one, before[name]) for name, one in policy.parameters().items())
    assert all(torch.equal(one, live[name]) for name, one in policy.parameters().items())


def test_T31_a_trainable_parameter_in_half_precision_is_refused() -> None:
    unified = tiny()
    unified.bagel.to(torch.bfloat16)
    script = Script(unified.coder, TEMPLATES, lambda picture: view_of(unified, picture))
    whole = UnifiedPolicy(unified, script, policy_of().rollout, None)
    with pytest.raises(ValueError, match=r"is bfloat16.*float32.*train adapters.*fsdp2\.yaml"):
        Masters(whole.parameters(), Launch(Accelerator(cpu=True)))
    adapted = UnifiedPolicy(unified, script, policy_of().rollout, Low(2, 4))
    assert {parameter.dtype for parameter in adapted.parameters().values()} == {torch.float32}


def test_T33_texts_have_the_log_probabilities_of_their_sampled_ids_and_a_forced_end_is_not_trained() -> None:
    policy = policy_of(think=True)
    trajectories = policy.explore(rows_of())
    texts = policy.replay(trajectories, train=True).texts[0]
    assert texts.log_probs.requires_grad
    for row, one in enumerate(trajectories):
        wrote = one.text[0]
        assert texts.mask[row].sum() == len(wrote.log_probs)
        assert len(wrote.ids) == len(wrote.log_probs) + 1 + wrote.forced
        assert torch.allclose(texts.log_probs[row, : len(wrote.log_probs)], torch.tensor(wrote.log_probs), atol=1e-5)


def test_T33_temperature_top_p_and_the_shift_by_one_token() -> None:
    logits, ids = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 2, 3, 0, 6])
    plain, entropy = choice(logits, ids, Sampling())
    assert torch.allclose(-plain.mean(), torch.nn.functional.cross_entropy(logits, ids))
    assert torch.allclose(entropy, torch.distributions.Categorical(logits=logits).entropy(), atol=1e-6)
    warm, _ = choice(logits, ids, Sampling(temperature=2.0))
    assert torch.allclose(warm, choice(logits / 2, ids, Sampling())[0])
    likely = logits.argmax(-1)
    narrow, _ = choice(logits, likely, Sampling(top_p=1e-6))
    assert torch.allclose(narrow, torch.zeros(5))  # one token alone could be drawn
    cut, _ = choice(logits, likely, Sampling(top_p=0.8))
    assert (cut >= choice(logits, likely, Sampling())[0]).all()


def test_T33_texts_of_a_narrowed_choice_replay_with_the_probabilities_they_were_drawn_by() -> None:
    policy = policy_of(think=True)
    policy.rollout = replace(policy.rollout, sampling=Sampling(top_p=0.5, most=6))
    trajectories = policy.explore(rows_of())
    assert measure(policy, trajectories).text < 1e-5
    plain = replace(policy.rollout.sampling, top_p=1.0)
    for one in trajectories:
        wrote = one.text[0]
        wide = replace(one, steps=tuple(replace(x, sampling=plain) if x is wrote else x for x in one.steps))
        among_all = policy.replay([wide], train=False).texts[0].log_probs[0, : len(wrote.log_probs)]
        assert (torch.tensor(wrote.log_probs) > among_all).all()


def gradients(policy: UnifiedPolicy, config: TrainConfig, trajectories: list[Trajectory]) -> dict[str, torch.Tensor]:
    lessons = [
        Lesson(one, (1.0 - 2.0 * (row % 2),), (1.0 - 2.0 * (row % 2),) * len(one.text))
        for row, one in enumerate(trajectories)
    ]
    for parameter in policy.parameters().values():
        parameter.grad = None
    averages = Averages.start(policy.parameters(), config)
    masters = Masters(policy.parameters(), Launch(Accelerator(cpu=True)))
    accumulate(policy, masters, lessons, config, averages, len(lessons), aligned=True)
    return {name: one.grad.clone() for name, one in policy.parameters().items() if one.grad is not None}


@pytest.mark.parametrize("loss", ["grpo", "guard", "dppo", "nft", "nft_velocity", "awm"])
def test_T03_every_loss_gives_the_same_gradient_however_the_batch_is_split(loss: str) -> None:
    policy = policy_of()
    trajectories = policy.explore(rows_of())
    image = replace(TrainConfig().image, loss=loss, beta=0.1, beta_ema=0.1)  # type: ignore[arg-type]
    whole = gradients(policy, replace(TrainConfig(), image=image, per_device_train_batch_size=8), trajectories)
    split = gradients(policy, replace(TrainConfig(), image=image, per_device_train_batch_size=3), trajectories)
    assert set(whole) == set(split)
    assert any(one.abs().max() > 0 for one in whole.values())
    for name, one in whole.items():
        assert torch.allclose(one, split[name], atol=1e-5 * float(one.abs().max()) + 1e-9), name


@pytest.mark.parametrize("think", [False, True])
def test_layers_that_are_computed_again_give_the_same_gradients_and_keep_less(think: bool) -> None:
    config = replace(TrainConfig(), think=think)
    found, kept = [], []
    for again in (False, True):
        policy = policy_of(think, guidance=2.0)
        trajectories = policy.explore(rows_of())
        if again:
            compute_again(policy.bagel)
        assert measure(policy, trajectories).largest == 0.0
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda one: sizes.append(one.nbytes) or one, lambda one: one):  # noqa: B023
            found.append(gradients(policy, config, trajectories))
        kept.append(sum(sizes))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(one, found[1][name]) for name, one in found[0].items())
    assert kept[1] < 0.5 * kept[0]


def test_images_teach_the_drawing_expert_and_texts_the_expert_of_words() -> None:
    policy = policy_of(think=True)
    trajectories = policy.explore(rows_of())
    config = replace(TrainConfig(), think=True, text=replace(TrainConfig().text, weight=0.0))
    for name, gradient in gradients(policy, config, trajectories).items():
        assert policy.kinds[name] == "generation" or gradient.abs().max() == 0.0, name


def test_a_step_keeps_only_the_window_whatever_the_number_of_transitions() -> None:
    policy = policy_of()
    for transitions in (6, 12):
        policy.sampler = replace(policy.sampler, transitions=transitions)
        drawings = [one.drawings[0] for one in policy.explore(rows_of(1, 2))]
        assert stacked(drawings, torch.device("cpu"), "gaussian").before.shape == (2, 2, 4, 192)


def test_a_question_of_one_sample_never_reaches_the_policy() -> None:
    sample = Sample("s", Request("a red circle"), (Question("q", "secret"),))
    rows = [(Situation(Group(0, 0, 0, "s"), sample, sample.request), member) for member in range(2)]
    policy = policy_of()
    ids = {token for one in policy.explore(rows) for step in one.steps for token in getattr(step, "ids", ())}
    assert ids == set(policy.unified.coder.encode("a red circle"))


def test_shipped_texts_serve_as_templates() -> None:
    from harness.bagel.prompts import Prompts
    from harness.model_tiny import SHIPPED

    assert Path(SHIPPED / "prompts.json").is_file()
    assert "{prompt}" in Prompts.read(SHIPPED / "prompts.json").open
