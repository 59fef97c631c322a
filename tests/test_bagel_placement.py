"""Weights spread over devices: the plan, what travels between them, and the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from harness.bagel.config import PUBLISHED, SpecialTokens
from harness.bagel.draw import Contexts, draw, noise_for
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.placement import check_room, place_of, placed, spread
from harness.bagel.walk import Walk, given_image, given_text, wrote_text
from harness.bagel.write import Sampling, write
from harness.model import Setting
from harness.model_bagel import Arguments, build
from tasks.sample import Request
from tests.far import FAR, NEAR, Borders, FarTensor
from tests.published import SHAPE, write_checkpoint
from tests.test_bagel_estimate import picture

GIGABYTE = 10**9


@pytest.fixture
def bagel() -> Bagel:
    torch.manual_seed(0)
    return Bagel(SHAPE, SpecialTokens(0, 1, 2, 3)).eval()


@pytest.fixture(scope="module")
def published() -> Bagel:
    with torch.device("meta"):
        return Bagel(PUBLISHED, SpecialTokens(1, 2, 3, 4))


@torch.inference_mode()
def everything(bagel: Bagel) -> list[Any]:
    """A plan and a picture after texts of two lengths and a picture, through all that the model has."""
    walk = given_text(bagel, Walk.begin(2), [[5] * 6, [5] * 4], 16)
    walk = given_image(bagel, walk, [look(), look()])
    texts = [one.ids for one in write(bagel, walk.main, Sampling(most=6), [1, 2, 3, 4])]
    walk = wrote_text(bagel, walk, texts, private=True, last=True)
    canvas, noise = Canvas.of([(4, 4)] * 4, 8), noise_for(range(4), 16, SHAPE.token_width)
    contexts = Contexts(walk.main, walk.text_free, walk.image_free)
    return [texts, draw(bagel, contexts, noise, [1.0, 0.5, 0.0], canvas, Guidance(4.0, 2.0, low=0.0))]


def look() -> Any:
    return picture(16, 9)


def send(module: nn.Module, device: torch.device) -> None:
    """What a hook of accelerate does before a module that lies elsewhere."""
    from accelerate.utils import send_to_device

    module.register_forward_pre_hook(lambda _module, given: send_to_device(given, device))


def test_a_layer_on_another_device_meets_only_what_was_sent_to_it(bagel: Bagel) -> None:
    expected = everything(bagel)
    far = bagel.language_model.model.layers[1]
    for owner in far.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            owner._parameters[name] = parameter.detach().as_subclass(FarTensor)  # type: ignore[assignment]
    send(far, FAR)
    for module in (bagel.language_model.model.norm, bagel.language_model.model.norm_moe_gen):
        send(module, NEAR)
    with Borders():
        texts, latents = everything(bagel)
    assert texts == expected[0]
    assert type(latents) is Tensor
    assert torch.equal(latents, expected[1])


def test_the_border_is_watched() -> None:
    here, there = torch.ones(2), torch.ones(2).as_subclass(FarTensor)
    with Borders(), pytest.raises(AssertionError, match="tensors of two devices"):
        here + there


def test_pictures_are_the_same_where_accelerate_brings_a_layer_when_it_runs(bagel: Bagel, tmp_path: Path) -> None:
    from accelerate import dispatch_model

    expected = everything(bagel)
    dispatch_model(bagel, placed(bagel, "cpu", {"0": "cpu", "1": "disk"}), main_device="cpu", offload_dir=tmp_path)
    assert {one.device.type for one in bagel.language_model.model.layers[1].parameters()} == {"meta"}
    texts, latents = everything(bagel)
    assert texts == expected[0]
    assert torch.equal(latents, expected[1])


@pytest.mark.parametrize(
    ("memory", "counts"),
    [
        ({0: 80, "cpu": 100}, {0: 28}),
        ({0: 24, 1: 24, "cpu": 100}, {0: 14, 1: 14}),
        ({0: 10, 1: 30, "cpu": 100}, {0: 6, 1: 22}),
        ({0: 24, "cpu": 100}, {0: 21, "cpu": 7}),
    ],
)
def test_layers_go_where_there_is_room_and_all_else_to_the_first(
    published: Bagel, memory: dict[Any, int], counts: dict[Any, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "harness.bagel.placement.available", lambda *_: {name: size * GIGABYTE for name, size in memory.items()}
    )
    places = spread(published, torch.bfloat16, ())
    names = [f"language_model.model.layers.{number}" for number in range(28)]
    found = [max((one for one in places if f"{name}.".startswith(f"{one}.")), key=len) for name in names]
    layers = [places[one] for one in found]
    assert {one: layers.count(one) for one in memory if one in layers} == counts
    assert {device for name, device in places.items() if "layers" not in name} == {0}
    used = {one: sum(parameter.numel() for name, parameter in published.named_parameters()
                     if places[max((at for at in places if name.startswith(f"{at}.")), key=len)] == one) * 2
            for one in memory}  # fmt: skip
    assert all(used[one] < memory[one] * GIGABYTE for one in memory)


@pytest.mark.parametrize("memory", [{0: 2, "cpu": 100}, {0: 12, "cpu": 12}])
def test_too_little_memory_is_told_before_a_weight_is_read(
    published: Bagel, memory: dict[Any, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "harness.bagel.placement.available", lambda *_: {name: size * GIGABYTE for name, size in memory.items()}
    )
    with pytest.raises(ValueError, match=r"weights take 29\.2 GB, 3\.\d GB of them on the first .* too little"):
        spread(published, torch.bfloat16, ())


def test_a_gpu_too_small_for_the_weights_is_told_before_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (24 * GIGABYTE, 25 * GIGABYTE))
    check_room(23 * GIGABYTE, "cuda:1")
    check_room(30 * GIGABYTE, "cpu")
    with pytest.raises(ValueError, match=r"take 29\.0 GB and cuda has 24\.0 GB free; device_map=auto spreads"):
        check_room(29 * GIGABYTE, "cuda")


def test_device_map_auto_draws_the_same_on_a_machine_without_gpus(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "small")
    given: dict[str, Any] = {"width": 32, "height": 32, "points": 3, "rows": 1}
    pictures = [
        build(Arguments(str(folder), device_map=kind, **given), Setting()).generate([Request("a star")], [1])[0].image
        for kind in ("none", "auto")
    ]
    assert pictures[0].tobytes() == pictures[1].tobytes()


@pytest.mark.gpu
@pytest.mark.parametrize("device_map", ["none", "auto"])
def test_a_gpu_draws_what_the_processor_draws_about(tmp_path: Path, device_map: Any) -> None:
    folder = str(write_checkpoint(tmp_path / "small"))
    given: dict[str, Any] = {"width": 32, "height": 32, "points": 3, "rows": 2, "dtype": "float32"}
    requests = [Request("a star"), Request("a star", (Image.new("RGB", (32, 32), "orange"),))]
    near = build(Arguments(folder, **given), Setting())
    far = build(Arguments(folder, device_map=device_map, **given), Setting("cuda"))
    for one, other in zip(near.generate(requests, [1, 2]), far.generate(requests, [1, 2]), strict=True):
        difference = np.asarray(one.image).astype(int) - np.asarray(other.image).astype(int)
        assert abs(difference).max() <= 2


def test_a_tensor_lies_where_the_longest_name_says() -> None:
    place = place_of({"a": "cpu", "a.b": "meta", "a.bc": "cpu"})
    assert place("a.b.weight") == torch.device("meta")
    assert place("a.bcd.weight") == torch.device("cpu")
