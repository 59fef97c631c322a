"""The vision encoder: parity with the official one, and what holds without its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.bagel.checkpoint import load_into, read_weights
from harness.bagel.config import read_json
from harness.bagel.pixels import to_patches
from harness.bagel.positions import grid_ids
from harness.bagel.vit import Connector, VisionEncoder, VitConfig

SMALL = VitConfig(24, 48, num_hidden_layers=3, num_attention_heads=3, image_size=32, patch_size=4)
PUBLISHED = {
    "hidden_size": 1152,
    "image_size": 980,
    "intermediate_size": 4304,
    "model_type": "siglip_vision_model",
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
}
SIZES = [(8, 12), (4, 4), (20, 8)]


@pytest.fixture
def small() -> VisionEncoder:
    torch.manual_seed(0)
    return VisionEncoder(SMALL).eval()


@pytest.fixture
def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(3, height, width, generator=generator) * 2 - 1 for height, width in SIZES]


def batch(pictures: list[Tensor], fill: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of different sizes as padded patches, places and validity."""
    counts = [one.shape[1] * one.shape[2] // 16 for one in pictures]
    patches = torch.full((len(pictures), max(counts), SMALL.patch_width), fill)
    ids = torch.full(patches.shape[:2], 0 if fill == 0.0 else 5)
    valid = torch.zeros(patches.shape[:2], dtype=torch.bool)
    for number, (picture, count) in enumerate(zip(pictures, counts, strict=True)):
        patches[number, :count] = to_patches(picture[None], 4)[0]
        ids[number, :count] = grid_ids(picture.shape[1] // 4, picture.shape[2] // 4, SMALL.side)
        valid[number, :count] = True
    return patches, ids, valid


@torch.inference_mode()
def test_features_equal_those_of_the_official_encoder(shared: Path) -> None:
    reference = shared / "fixtures" / "bagel_reference"
    model = torch.nn.Module()
    model.vit_model = VisionEncoder(VitConfig.read(read_json(reference / "vit_config.json"))).eval()
    model.connector = Connector(48, 64)
    weights = read_weights(reference / "ema.safetensors")
    ignored = {name.split(".")[0] for name in weights} - {"vit_model", "connector"}
    load_into(model, weights, ignore=tuple(ignored))
    expected = load_file(reference / "expected.safetensors")
    patches, ids = to_patches(expected["image_vit"][None], 14), grid_ids(2, 3, 8)[None]
    features = model.vit_model(patches, ids, torch.ones(1, 6, dtype=torch.bool))
    torch.testing.assert_close(features[0], expected["vit_features"], rtol=1e-4, atol=1e-4)
    assert model.connector(features).shape == (1, 6, 64)


def test_patches_are_read_row_by_row_with_channels_last() -> None:
    image = torch.arange(2 * 4 * 6).reshape(2, 4, 6)  # channel * 24 + row * 6 + column
    patches = to_patches(image[None], 2)[0]
    assert patches.shape == (6, 8)
    assert patches[0].tolist() == [0, 24, 1, 25, 6, 30, 7, 31]
    assert patches[4].tolist() == [14, 38, 15, 39, 20, 44, 21, 45]


def test_places_count_rows_of_the_whole_table() -> None:
    assert grid_ids(2, 3, 70).tolist() == [0, 1, 2, 70, 71, 72]


def test_a_picture_larger_than_the_position_table_is_refused() -> None:
    with pytest.raises(ValueError, match="9x2"):
        grid_ids(9, 2, 8)


@torch.inference_mode()
def test_pictures_of_different_sizes_together_give_what_each_gives_alone(
    small: VisionEncoder, pictures: list[Tensor]
) -> None:
    together = small(*batch(pictures))
    for number, picture in enumerate(pictures):
        alone = small(*batch([picture]))
        torch.testing.assert_close(together[number, : alone.shape[1]], alone[0], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_what_stands_in_padding_has_no_influence(small: VisionEncoder, pictures: list[Tensor]) -> None:
    patches, ids, valid = batch(pictures)
    noisy, other_ids, _ = batch(pictures, fill=1e3)
    assert not torch.equal(ids, other_ids)
    torch.testing.assert_close(small(noisy, other_ids, valid)[valid], small(patches, ids, valid)[valid])


@torch.inference_mode()
def test_a_picture_is_seen_whole_and_by_its_places(small: VisionEncoder, pictures: list[Tensor]) -> None:
    patches, ids, valid = batch(pictures[:1])
    before = small(patches, ids, valid)
    changed = patches.clone()
    changed[0, -1] += 1.0
    assert not torch.allclose(small(changed, ids, valid)[0, 0], before[0, 0], atol=1e-6)
    assert not torch.allclose(small(patches, ids.flip(1), valid), before, atol=1e-3)


def test_the_published_configuration_is_read_and_runs_one_layer_fewer() -> None:
    config = VitConfig.read(PUBLISHED)
    with torch.device("meta"):
        names = VisionEncoder(config).state_dict()
    assert names["vision_model.embeddings.patch_embedding.weight"].shape == (1152, 588)
    assert names["vision_model.embeddings.position_embedding.weight"].shape == (4900, 1152)
    assert max(int(name.split(".")[3]) for name in names if ".layers." in name) == 25


def test_a_configuration_that_lacks_keys_is_refused_by_their_names() -> None:
    with pytest.raises(ValueError, match="vision encoder lacks intermediate_size, num_hidden_layers"):
        VitConfig.read({key: 1 for key in PUBLISHED if "inter" not in key and "layers" not in key})


def test_another_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'relu'"):
        VitConfig.read({**PUBLISHED, "hidden_act": "relu"})


def test_the_connector_computes_its_two_layers() -> None:
    connector = Connector(2, 1)
    with torch.no_grad():
        for layer in (connector.fc1, connector.fc2):
            layer.weight.fill_(1.0)
            layer.bias.fill_(0.5)
        # 0.2 + 0.3 + 0.5 = 1; the tanh-approximated GELU of 1 is 0.841192
        assert connector(torch.tensor([[0.2, 0.3]])).item() == pytest.approx(1.341192, abs=1e-6)
