"""The estimate of memory and time: its numbers beside those of a real model."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from harness.bagel.config import PUBLISHED, BagelConfig, LanguageConfig, SpecialTokens
from harness.bagel.context import Context
from harness.bagel.draw import Contexts, draw, noise_for
from harness.bagel.estimate import (
    Work,
    branches,
    context_tokens,
    drawing_memory,
    drawing_products,
    forwards,
    passing_bytes,
    read_products,
    seconds,
    token_bytes,
    training_memory,
)
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.schedule import sigma_grid
from harness.bagel.size import adapter_parameters, count_parameters
from harness.bagel.vae import Autoencoder, VaeConfig
from harness.bagel.view import View
from harness.bagel.vit import VitConfig
from harness.bagel.walk import Walk, given_image, given_text, wrote_text
from trainer.adapter import Low, attach

VAE = VaeConfig(3, 3, 32, (1, 2, 2), 1, z_channels=4, downsample=4, scale_factor=0.4, shift_factor=0.1)
SHAPES = {
    "published": PUBLISHED,
    "grouped": BagelConfig(
        LanguageConfig(96, 64, 344, 3, 8, 2), VitConfig(24, 48, 3, 3, 16, 4), VAE, 2, 6, vit_max_num_patch_per_side=4
    ),
    "plain": BagelConfig(
        LanguageConfig(50, 48, 64, 2, 4, 4, tie_word_embeddings=True, qk_norm=False), None, None, 4, 8
    ),
}
SMALL = SHAPES["grouped"]
GRID = (6, 6)
SIGMAS = tuple(sigma_grid(6, 3.0).tolist())


@pytest.fixture(scope="module")
def bagel() -> Bagel:
    torch.manual_seed(0)
    return Bagel(SMALL, SpecialTokens(1, 2, 3, 4)).eval()


def numbers(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_every_part_is_counted_as_the_module_has_it(name: str) -> None:
    config = SHAPES[name]
    with torch.device("meta"):
        model = Bagel(config, SpecialTokens(1, 2, 3, 4))
        space = None if config.vae is None else Autoencoder(config.vae)
    counted = count_parameters(config)
    assert counted.network == numbers(model)
    assert counted.image_space == (0 if space is None else numbers(space))
    words = model.language_model.model.embed_tokens.weight.numel() * (1 if config.language.tie_word_embeddings else 2)
    assert counted.words == words


def test_the_published_model_has_the_size_that_its_name_tells() -> None:
    counted = count_parameters(PUBLISHED)
    assert 14.6e9 < counted.total < 14.8e9
    assert 7.0e9 < counted.understanding + counted.words < 7.7e9


def test_adapters_are_counted_as_peft_makes_them() -> None:
    model = Bagel(SMALL, SpecialTokens(1, 2, 3, 4))
    trained = attach(model, ("generation", "understanding"), Low(5, 10))
    assert sum(one.numel() for one in trained.values()) == 2 * adapter_parameters(SMALL.language, 5)


def picture(latents: int, patches: int) -> View:
    side, eyes = int(latents**0.5), int(patches**0.5)
    return View(torch.zeros(latents, SMALL.token_width), (side, side), torch.zeros(patches, 48), (eyes, eyes))


def kept_bytes(walk: Walk) -> int:
    found: dict[int, int] = {}
    for context in (walk.main, walk.text_free, walk.image_free):
        for segment in context.segments:
            for layer in segment.layers:
                for tensor in layer:
                    found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    return sum(found.values())


@pytest.mark.parametrize("sources", [0, 1])
@pytest.mark.parametrize("thought", [0, 7])
@pytest.mark.parametrize("share", [1, 4])
@torch.no_grad()
def test_contexts_take_the_bytes_of_the_real_ones(bagel: Bagel, sources: int, thought: int, share: int) -> None:
    rows, system, text = 4, [5] * 6, [5] * 11
    given = rows // share
    walk = given_text(bagel, Walk.begin(given), [system] * given)
    for _ in range(sources):
        walk = given_image(bagel, walk, [picture(16, 9)] * given)
    walk = given_text(bagel, walk, [text] * given)
    if thought:
        walk = wrote_text(bagel, walk, [[5] * thought] * rows, private=True, last=True)
    work = Work(SIGMAS, Guidance(4.0, 2.0), rows, share, 16, 11, 6, thought, ((16, 9),) * sources, width=4)
    assert context_tokens(work) * token_bytes(SMALL.language, 4) == kept_bytes(walk)
    assert sum(int(part.valid.shape[1]) for part in walk.main.segments) == work.main


def attention_products(query: Sequence[int], key: Sequence[int], *_: Any, **__: Any) -> int:
    rows, heads, tokens, width = query
    return 4 * rows * heads * tokens * key[2] * width


@pytest.mark.parametrize("guidance", [Guidance(), Guidance(1.0), Guidance(4.0, 2.0, low=0.0)])
@torch.no_grad()
def test_forwards_and_products_are_those_that_are_counted(bagel: Bagel, guidance: Guidance) -> None:
    rows, text = 2, [5] * 12
    seen = 16 + 9 + 4 if guidance.image > 1.0 else 0
    walk = Walk.begin(rows)
    if seen:
        walk = given_image(bagel, walk, [picture(16, 9)] * rows)
    walk = given_text(bagel, walk, [text] * rows)
    work = Work(SIGMAS, guidance, rows, 1, 36, 12, 0, 0, ((16, 9),) if seen else (), width=4)
    passed: list[int] = []
    body = bagel.language_model.model
    hook = body.register_forward_hook(lambda _module, given, _out: passed.append(given[0].positions.shape[0]))
    canvas, noise = Canvas.of([GRID] * rows, SMALL.max_latent_size), noise_for([0, 1], 36, SMALL.token_width)
    contexts = Contexts(walk.main, walk.text_free, walk.image_free)
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    with FlopCounterMode(display=False, custom_mapping={attention: attention_products}) as counter:
        draw(bagel, contexts, noise, SIGMAS, canvas, guidance)
    hook.remove()
    assert [one // rows for one in passed] == branches(work)
    assert sum(passed) == forwards(work)
    assert counter.get_total_flops() == drawing_products(SMALL, work)


class Live(TorchDispatchMode):
    """The most bytes that tensors made inside have held at once; what is there already is no new tensor."""

    def __init__(self, there: Iterable[Tensor]) -> None:
        super().__init__()
        self.held = self.most = 0
        self.known = {one.untyped_storage().data_ptr() for one in there}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else [out]:
            if isinstance(one, Tensor):
                self.see(one)
        return out

    def see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        pointer, size = storage.data_ptr(), storage.nbytes()
        if pointer and pointer not in self.known:
            self.known.add(pointer)
            self.held += size
            self.most = max(self.most, self.held)
            weakref.finalize(storage, self.leave, pointer, size)

    def leave(self, pointer: int, size: int) -> None:
        self.known.discard(pointer)
        self.held -= size


@pytest.mark.parametrize("guided", [True, False])
@torch.no_grad()
def test_what_a_forward_holds_in_passing_is_within_a_third(bagel: Bagel, guided: bool) -> None:
    guidance = Guidance(4.0 if guided else 1.0, low=0.0)
    walk = given_text(bagel, Walk.begin(6), [[5] * 12] * 6)
    work = Work(SIGMAS, guidance, 6, 1, 36, 12, width=4)
    canvas, noise = Canvas.of([GRID] * 6, SMALL.max_latent_size), noise_for(range(6), 36, SMALL.token_width)
    there = [*bagel.parameters(), *(one for part in walk.main.segments for layer in part.layers for one in layer)]
    with Live(there) as live:
        draw(bagel, Contexts(walk.main, walk.text_free), noise, SIGMAS[:2], canvas, guidance)
    assert live.most == pytest.approx(passing_bytes(SMALL, work), rel=1 / 3)


@contextmanager
def counting_saved(own: set[int]) -> Iterator[dict[int, int]]:
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield found


def test_what_the_backward_pass_keeps_is_within_a_third() -> None:
    model = Bagel(SMALL, SpecialTokens(1, 2, 3, 4))
    trained = attach(model, ("generation",), Low(4, 8))
    own = {one.untyped_storage().data_ptr() for one in model.parameters()}
    canvas, noise = Canvas.of([GRID] * 8, SMALL.max_latent_size), noise_for(range(8), 36, SMALL.token_width)
    with counting_saved(own) as found:
        model.velocity(Context.empty(8), noise, torch.full((8,), 0.5), canvas)
    work = Work(SIGMAS, Guidance(1.0), 8, 1, 36, 0, width=4)
    adapters = sum(one.numel() for one in trained.values()) * 16
    kept = training_memory(SMALL, work, 4, 1, saving=False, experts=1).training - adapters
    assert sum(found.values()) == pytest.approx(kept, rel=1 / 3)


def test_keeping_layers_inputs_alone_makes_published_training_fit_one_card() -> None:
    work = Work(tuple(sigma_grid(16).tolist()), Guidance(), 1, 1, 1024, 128, 160, 1024)
    whole, saving = (training_memory(PUBLISHED, work, 32, 10, one) for one in (False, True))
    assert whole.total > 100e9
    assert saving.total < 60e9


def test_time_grows_with_every_forward_and_every_word() -> None:
    work = Work(tuple(sigma_grid(50).tolist()))
    thinking = Work(tuple(sigma_grid(50).tolist()), system=160, thought=200)
    plain, longer = (seconds(PUBLISHED, one, 400e12, 2e12) for one in (work, thinking))
    assert plain[0] == 0.0
    assert longer[0] > 200 * 14e9 / 2e12
    assert longer[1] > plain[1] > forwards(work) * read_products(PUBLISHED.language, 4098, 0) / 400e12
    assert drawing_memory(PUBLISHED, work).weights > 29e9
