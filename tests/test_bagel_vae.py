"""The image space: parity with the official autoencoder, and what holds without its numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.bagel.checkpoint import load_into, read_weights
from harness.bagel.config import read_json
from harness.bagel.vae import PUBLISHED, Autoencoder, PixelSpace, VaeConfig, build_image_space

SMALL = VaeConfig(3, 3, 32, (1, 2), 1, z_channels=4, downsample=2, scale_factor=0.5, shift_factor=0.25)


@pytest.fixture
def small() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(SMALL).eval()


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "fixtures" / "bagel_reference"


@pytest.fixture(scope="module")
def official(reference: Path) -> Autoencoder:
    space = Autoencoder(VaeConfig.read(read_json(reference / "fixture.json")["ae"]))
    load_into(space, read_weights(reference / "ae.safetensors"))
    return space.eval()


@torch.inference_mode()
def test_latents_equal_those_of_the_official_encoder(official: Autoencoder, reference: Path) -> None:
    expected = load_file(reference / "expected.safetensors")
    latents = official.encode(expected["image_vae"][None])
    torch.testing.assert_close(latents, expected["vae_latent_mean"], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_pictures_equal_those_of_the_official_decoder(official: Autoencoder, reference: Path) -> None:
    expected = load_file(reference / "expected.safetensors")
    pixels = official.decode(expected["vae_latent_mean"])
    torch.testing.assert_close(pixels, expected["vae_decoded"], rtol=1e-4, atol=1e-4)


def test_the_published_shape_has_as_many_parameters_as_the_published_file() -> None:
    with torch.device("meta"):
        space = Autoencoder(PUBLISHED)
    # FLUX.1's ae.safetensors: 244 tensors of float32 in 335,278,732 bytes
    assert len(space.state_dict()) == 244
    assert sum(one.numel() for one in space.parameters()) * 4 == 335_278_732


@torch.inference_mode()
def test_latents_are_smaller_by_the_downsampling_and_pictures_come_back_at_full_size(small: Autoencoder) -> None:
    latents = small.encode(torch.rand(2, 3, 8, 12))
    assert latents.shape == (2, 4, 4, 6)
    assert small.decode(latents).shape == (2, 3, 8, 12)


@torch.inference_mode()
def test_pictures_of_a_batch_do_not_influence_each_other(small: Autoencoder) -> None:
    pixels = torch.rand(3, 3, 8, 8) * 2 - 1
    latents = small.encode(pixels)
    torch.testing.assert_close(latents, torch.cat([small.encode(one[None]) for one in pixels]))
    torch.testing.assert_close(small.decode(latents), torch.cat([small.decode(one[None]) for one in latents]))


@torch.inference_mode()
def test_encoding_gives_the_normalised_mean_and_a_generator_draws_around_it(small: Autoencoder) -> None:
    small.encoder.conv_out.weight.zero_()
    small.encoder.conv_out.bias.copy_(torch.tensor([1.25] * 4 + [math.log(9.0)] * 4))
    pixels = torch.rand(1, 3, 64, 64)
    assert torch.equal(small.encode(pixels), torch.full((1, 4, 32, 32), 0.5))  # 0.5 * (1.25 - 0.25)
    drawn = small.encode(pixels, torch.Generator().manual_seed(3))
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.1)
    assert drawn.std().item() == pytest.approx(1.5, abs=0.1)  # 0.5 * 3
    assert torch.equal(drawn, small.encode(pixels, torch.Generator().manual_seed(3)))


@torch.inference_mode()
def test_decoding_undoes_the_normalisation_before_the_decoder(small: Autoencoder) -> None:
    plain = torch.randn(1, 4, 4, 4)
    torch.testing.assert_close(small.decode(0.5 * (plain - 0.25)), small.decoder(plain))


def test_gradients_reach_the_pixels_and_the_latents(small: Autoencoder) -> None:
    pixels = torch.rand(1, 3, 8, 8, requires_grad=True)
    small.decode(small.encode(pixels)).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0


def test_the_official_names_of_the_configuration_are_read_and_others_ignored() -> None:
    found = {"resolution": 64, "in_channels": 3, "out_ch": 3, "ch": 32, "ch_mult": [1, 2], "num_res_blocks": 1}
    found |= {"z_channels": 4, "downsample": 2, "scale_factor": 0.5, "shift_factor": 0.25}
    assert VaeConfig.read(found) == SMALL


def test_a_configuration_that_lacks_keys_is_refused_by_their_names() -> None:
    with pytest.raises(ValueError, match="autoencoder lacks in_channels, out_ch, ch, ch_mult"):
        VaeConfig.read({"num_res_blocks": 1, "z_channels": 4})


def test_a_downsampling_that_the_levels_do_not_give_is_refused() -> None:
    with pytest.raises(ValueError, match="2 levels downsamples by 2, not by 8"):
        replace(SMALL, downsample=8)


def test_pixels_are_their_own_latents() -> None:
    space, pixels = PixelSpace(), torch.rand(2, 3, 5, 7)
    assert torch.equal(space.decode(space.encode(pixels)), pixels)
    assert torch.equal(space.encode(pixels, torch.Generator().manual_seed(0)), pixels)
    assert not space.state_dict()


def test_the_configuration_picks_the_image_space() -> None:
    for config, kind in ((None, PixelSpace), (SMALL, Autoencoder)):
        space = build_image_space(config)
        assert isinstance(space, kind)
        assert (space.z_channels, space.downsample) == ((3, 1) if config is None else (4, 2))
