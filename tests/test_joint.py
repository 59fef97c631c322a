"""A unified model in which only the written word decides the colour: text and picture learn together (T23)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from harness.bagel.draw import Contexts
from harness.bagel.walk import Walk, given_text, wrote_words
from reward.verdict import Score
from tasks.sample import Generation
from tests.test_trajectory import SAMPLES, policy_of
from trainer.build import put_together
from trainer.collect import Ground
from trainer.launch import Launch
from trainer.log import Log
from trainer.policy_unified import UnifiedPolicy
from trainer.replay import velocities
from trainer.train import train
from trainer.train_config import TrainConfig

COLOURS = {"red": (230, 110, 20), "blue": (20, 110, 230)}
SAMPLE = SAMPLES[0]


class RedAndDark:
    """A little for a picture that is more red than blue, the rest for how little green is in it."""

    id = "red and dark"
    record: dict[str, str] = {}  # noqa: RUF012 - the protocol's field
    range = (0.0, 1.0)

    def __init__(self) -> None:
        self.red: list[float] = []
        self.green: list[float] = []

    def score(self, generations: Sequence[Generation]) -> list[Score]:
        means = []
        for one in generations:
            assert one.response is not None
            means.append([sum(channel.tobytes()) / 256 / 255 for channel in one.response.image.split()])
        self.red += [float(red > blue) for red, _, blue in means]
        self.green += [green for _, green, _ in means]
        return [Score(0.025 * (red > blue) + 0.975 * (1.0 - green)) for red, green, blue in means]


def teach(policy: UnifiedPolicy) -> None:
    """Supervised: after `think`, the prompt and a word, the picture has the word's colour; both words equally often."""
    bagel, script = policy.bagel, policy.script
    random = torch.Generator().manual_seed(0)
    opening = [script.text(script.templates["think"]), script.text(SAMPLE.request.prompt)]
    words = [tuple(script.coder.encode(word)) for word in COLOURS]
    clean = torch.stack([script.see(Image.new("RGB", (16, 16), colour)).latents for colour in COLOURS.values()])
    optimiser = torch.optim.AdamW(policy.parameters().values(), 4e-3, weight_decay=0.0)
    for _ in range(220):
        walk = Walk.begin(2)
        for given in opening:
            walk = given_text(bagel, walk, [given.ids] * 2, 16)
        walk, hidden, _ = wrote_words(bagel, walk, words, private=True, last=False)
        logits = bagel.language_model.lm_head(hidden[:, :-1])
        told = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(words)[:, 1:].flatten())
        sigmas = torch.rand(2, 8, generator=random)
        wide = clean[:, None].expand(2, 8, -1, -1)
        noise = torch.randn(wide.shape, generator=random)
        noisy = (1 - sigmas[..., None, None]) * wide + sigmas[..., None, None] * noise
        contexts = Contexts(walk.main, walk.text_free, walk.image_free)
        found = velocities(bagel, contexts, noisy, sigmas, policy.grid, policy.sampler.guidance)
        (told + (found - (noise - wide)).square().mean()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()


def learn(out: Path, text_weight: float) -> RedAndDark:
    policy, reward = policy_of(think=True, rows=16), RedAndDark()
    teach(policy)
    plain = TrainConfig()
    config = replace(
        plain, output_dir=out, think=True, max_steps=24, prompts_per_step=1, num_generations=16, rollout_batch_size=16,
        per_device_train_batch_size=16, learning_rate=1.5e-3, learning_rate_understanding=1e-3, weight_decay=0.0,
        lora_r=0, ema_decay=0.0, sample_steps=0, parity_steps=0, text=replace(plain.text, weight=text_weight),
        advantage=replace(plain.advantage, format_weight=0.0),
    )  # fmt: skip
    accelerator = Accelerator(cpu=True)
    out.mkdir(parents=True)
    ground = Ground(policy, {SAMPLE.id: SAMPLE}, reward, Launch(accelerator), config)
    log = Log(out, config.max_steps, accelerator, (), quiet=True)
    train(put_together(config, ground, log))
    return reward


def share(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    "text_weight",
    [pytest.param(1.0, id="both losses"), pytest.param(0.0, id="without the text's", marks=pytest.mark.proof)],
)
def test_T23_the_word_and_the_picture_learn_together_and_without_the_text_loss_the_colour_stays(
    tmp_path: Path, text_weight: float
) -> None:
    seen = learn(tmp_path / "run", text_weight)
    first, last = slice(None, 32), slice(-64, None)
    assert share(seen.green[last]) < share(seen.green[first]) - 0.01
    if text_weight:
        assert share(seen.red[last]) > 0.85
    else:
        assert share(seen.red) == pytest.approx(0.5, abs=0.1)
        assert share(seen.red[last]) == pytest.approx(0.5, abs=0.2)
