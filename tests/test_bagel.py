"""The unified model: parity with the official code, guidance by hand, and batches that change no image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.bagel.config import BagelConfig, LanguageConfig, SpecialTokens
from harness.bagel.context import Context
from harness.bagel.draw import Contexts, draw, guided_velocity, noise_for
from harness.bagel.guidance import Guidance, Renorm, guide
from harness.bagel.model import Bagel, Canvas
from harness.bagel.pixels import from_patches, to_patches
from harness.bagel.reference import Reference
from harness.bagel.schedule import sigma_grid
from harness.bagel.vit import VitConfig

OUTPUTS = [
    "vae_latent_mean",
    "vae_decoded",
    "vit_features",
    "first_logits",
    "greedy_ids",
    "t2i_velocity_nocfg_t0.7",
    "t2i_velocity_cfg4_global_t0.7",
    "t2i_velocity_cfg4_channel_t0.7",
    "t2i_ode10_shift3_cfg4_global",
    "vqa_first_logits",
    "vqa_greedy_ids",
    "edit_velocity_nocfg_t0.5",
    "edit_velocity_cfg4_img2_global_t0.5",
    "edit_velocity_cfg4_img2_textchannel_t0.5",
    "edit_ode8_shift3_cfg4_img2_global",
]
INPUTS = {"prompt_ids", "edit_ids", "image_vae", "image_vit", "x_t"}
LANGUAGE = LanguageConfig(40, 48, 64, 2, 4, 2)
CONFIG = BagelConfig(LANGUAGE, VitConfig(24, 48, 3, 3, 16, 4), None, 4, 4, 4)
SPECIAL = SpecialTokens(1, 2, 3, 4)
PROMPTS = [[1, 11, 12, 2], [1, 13, 14, 15, 16, 17, 18, 2], [1, 19, 2]]
GRID = (2, 3)


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    return Reference(shared / "fixtures" / "bagel_reference")


@pytest.fixture(scope="module")
def outputs(reference: Reference) -> dict[str, Tensor]:
    return reference.outputs()


@pytest.fixture(scope="module")
def bagel() -> Bagel:
    torch.manual_seed(0)
    return Bagel(CONFIG, SPECIAL).eval()


def read(bagel: Bagel, prompts: list[list[int]]) -> Context:
    """The context of prompts read together."""
    return bagel.read_text(Context.empty(len(prompts)), prompts)[0]


def paint(bagel: Bagel, main: Context, seeds: list[int]) -> Tensor:
    """Guided latents, one row a seed, in four steps."""
    contexts = Contexts(main, Context.empty(main.rows))
    noise = noise_for(seeds, GRID[0] * GRID[1], CONFIG.token_width)
    canvas = Canvas.of([GRID] * len(seeds), CONFIG.max_latent_size)
    return draw(bagel, contexts, noise, sigma_grid(5).tolist(), canvas, Guidance(text=3.0))


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_equals_that_of_the_official_code(
    outputs: dict[str, Tensor], reference: Reference, name: str
) -> None:
    torch.testing.assert_close(outputs[name], reference.expected[name], rtol=0, atol=1e-4)


def test_every_recorded_output_is_compared(outputs: dict[str, Tensor], reference: Reference) -> None:
    assert outputs.keys() == set(OUTPUTS) == reference.expected.keys() - INPUTS


@pytest.mark.parametrize(
    ("image", "renorm", "expected"),
    [
        (1.0, "none", [[2.5, 5.0], [-1.5, 2.5]]),
        (2.0, "none", [[4.8, 9.6], [-3.1, 4.7]]),
        (1.0, "global", [[0.971286, 1.942572], [-0.582772, 0.971286]]),
        (2.0, "global", [[0.970076, 1.940153], [-0.626508, 0.949867]]),
        (2.0, "text_channel", [[1.8, 3.6], [-1.128992, 1.414986]]),
    ],
)
def test_guidance_gives_the_worked_numbers(image: float, renorm: Renorm, expected: list[list[float]]) -> None:
    main, text_free, image_free = torch.tensor(
        [[[[1.0, 2.0], [0.0, 1.0]]], [[[0.5, 1.0], [0.5, 0.5]]], [[[0.2, 0.4], [0.1, 0.3]]]]
    )
    guided = guide(main, text_free, image_free, Guidance(4.0, image, renorm=renorm))
    torch.testing.assert_close(guided, torch.tensor([expected]), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("points", "first", "last"),
    [
        (16, [1.0, 0.976744, 0.951220, 0.923077], [0.315789, 0.176471, 0.0]),
        (40, [1.0, 0.991304, 0.982301, 0.972973], [0.139535, 0.073171, 0.0]),
    ],
)
def test_the_grid_is_the_published_one(points: int, first: list[float], last: list[float]) -> None:
    grid = sigma_grid(points).tolist()
    assert len(grid) == points
    assert grid[:4] == pytest.approx(first, abs=1e-6)
    assert grid[-3:] == pytest.approx(last, abs=1e-6)


@pytest.mark.parametrize(("points", "guided"), [(16, 13), (40, 32), (50, 41)])
def test_the_guidance_interval_covers_the_published_number_of_steps(points: int, guided: int) -> None:
    assert sum(Guidance().applies(sigma) for sigma in sigma_grid(points)[:-1].tolist()) == guided


@torch.inference_mode()
def test_prompts_of_different_lengths_draw_together_what_each_draws_alone(bagel: Bagel) -> None:
    together = paint(bagel, read(bagel, PROMPTS), [5, 6, 7])
    alone = [paint(bagel, read(bagel, [prompt]), [seed]) for prompt, seed in zip(PROMPTS, [5, 6, 7], strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], paint(bagel, read(bagel, PROMPTS[1:2]), [5])[0], atol=1e-3)


@torch.inference_mode()
def test_images_that_share_a_context_are_those_that_each_have_their_own(bagel: Bagel) -> None:
    shared = paint(bagel, read(bagel, PROMPTS[:2]), [5, 6, 7, 8])
    own = paint(bagel, read(bagel, [PROMPTS[0], PROMPTS[0], PROMPTS[1], PROMPTS[1]]), [5, 6, 7, 8])
    torch.testing.assert_close(shared, own, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_images_of_different_sizes_are_read_together_as_each_is_alone(bagel: Bagel) -> None:
    generator, grids = torch.Generator().manual_seed(9), [(2, 3), (4, 4)]
    patches = [to_patches(torch.randn(1, 3, 4 * rows, 4 * columns, generator=generator), 4) for rows, columns in grids]
    padded = torch.zeros(2, 16, 48)
    padded[0, :6], padded[1] = patches[0][0], patches[1][0]
    together = bagel.read_patches(Context.empty(2), padded, Canvas.of(grids, 4))
    alone = [
        bagel.read_patches(Context.empty(1), one, Canvas.of([grid], 4))
        for one, grid in zip(patches, grids, strict=True)
    ]
    drawn = [paint(bagel, context, [seed]) for context, seed in zip(alone, [5, 6], strict=True)]
    torch.testing.assert_close(paint(bagel, together, [5, 6]), torch.cat(drawn), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_guidance_of_a_small_image_beside_a_larger_one_ignores_the_padding(bagel: Bagel) -> None:
    width = bagel.config.token_width
    noise = noise_for([5, 6], 16, width)
    main, free = read(bagel, PROMPTS[:2]), Context.empty(2)
    both = Canvas.of([(2, 3), (4, 4)], 4)
    together = guided_velocity(bagel, Contexts(main, free), noise, 0.7, both, Guidance())
    small = Contexts(read(bagel, PROMPTS[:1]), Context.empty(1))
    alone = guided_velocity(bagel, small, noise[:1, :6], 0.7, Canvas.of([(2, 3)], 4), Guidance())
    torch.testing.assert_close(together[:1, :6], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_patches_come_back_as_the_latents_they_were_cut_from(patch: int) -> None:
    latents = torch.randn(2, 3, 8, 12)
    tokens = to_patches(latents, patch)
    assert tokens.shape == (2, 96 // patch**2, 3 * patch**2)
    assert torch.equal(from_patches(tokens, patch, 8 // patch, 12 // patch), latents)


def test_noise_depends_on_its_seed_alone() -> None:
    batch = noise_for([3, 1, 3], 6, 4)
    assert torch.equal(batch[1], noise_for([1], 6, 4)[0])
    assert torch.equal(batch[0], batch[2])
    assert not torch.equal(batch[0], batch[1])


def test_two_sizes_of_the_vision_table_are_refused() -> None:
    with pytest.raises(ValueError, match=r"vit_max_num_patch_per_side is 70, but .* has 4 a side"):
        replace(CONFIG, vit_max_num_patch_per_side=70)
