"""What is trained of a unified model: low-rank adapters through peft, or all of its weights.

Both experts are told apart by the modules of each layer, never by a pattern in a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from harness.bagel.language import Layer
from harness.bagel.model import Bagel
from trainer.shards import placed, write

Expert = Literal["understanding", "generation"]
EXPERTS: tuple[Expert, ...] = ("understanding", "generation")
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
FEEDS = ("gate_proj", "up_proj", "down_proj")
ADAPTER = "policy"


@dataclass(frozen=True, slots=True)
class Low:
    """The size of low-rank adapters (LoRA, arXiv 2106.09685)."""

    rank: int = 32
    alpha: int = 64


def expert_modules(bagel: Bagel) -> dict[Expert, list[str]]:
    """Names of the linear layers of each expert that adapters go into."""
    found: dict[Expert, list[str]] = {"understanding": [], "generation": []}
    for name, module in bagel.named_modules():
        if isinstance(module, Layer):
            for expert, suffix in (("understanding", ""), ("generation", "_moe_gen")):
                found[expert] += [f"{name}.self_attn.{one}{suffix}" for one in PROJECTIONS]  # type: ignore[index]
                found[expert] += [f"{name}.mlp{suffix}.{one}" for one in FEEDS]  # type: ignore[index]
    return found


def expert_of(bagel: Bagel) -> dict[str, Expert]:
    """The expert of every parameter: generation for what latent tokens pass, understanding for all else."""
    own: list[nn.Module] = [bagel.time_embedder, bagel.vae2llm, bagel.llm2vae, bagel.latent_pos_embed]
    own.append(bagel.language_model.model.norm_moe_gen)
    for layer in bagel.language_model.model.layers:
        parts = [*(f"self_attn.{one}_moe_gen" for one in (*PROJECTIONS, "q_norm", "k_norm")), "mlp_moe_gen",
                 "input_layernorm_moe_gen", "post_attention_layernorm_moe_gen"]  # fmt: skip
        own += [layer.get_submodule(part) for part in parts]
    drawn = {id(parameter) for module in own for parameter in module.parameters()}
    return {
        name: "generation" if id(parameter) in drawn else "understanding"
        for name, parameter in bagel.named_parameters()
    }


def attach(bagel: Bagel, experts: Sequence[Expert], low: Low | None, seed: int = 0) -> dict[str, nn.Parameter]:
    """The parameters to train: fresh adapters in the experts named, or all their weights; everything else is frozen."""
    frozen = {name for name, parameter in bagel.named_parameters() if not parameter.requires_grad}
    bagel.requires_grad_(False)
    if low is not None:
        modules = expert_modules(bagel)
        targets = [name for expert in experts for name in modules[expert]]
        inject(bagel, targets, low, seed)
    else:
        kinds = expert_of(bagel)
        for name, parameter in bagel.named_parameters():
            parameter.requires_grad_(kinds[name] in experts and name not in frozen)
    return {name: parameter for name, parameter in bagel.named_parameters() if parameter.requires_grad}


def attach_network(
    network: nn.Module, targets: Sequence[str], low: Low | None, seed: int = 0
) -> dict[str, nn.Parameter]:
    """The parameters to train of a network without experts: adapters in the modules named, or all of its weights."""
    network.requires_grad_(low is None)
    if low is not None:
        inject(network, targets, low, seed)
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def inject(module: nn.Module, targets: Sequence[str], low: Low, seed: int) -> None:
    """Puts fresh adapters, in float32, into the modules of which a target is the name or its end."""
    config = LoraConfig(r=low.rank, lora_alpha=low.alpha, target_modules=list(targets), lora_dropout=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # peft draws the adapters' first matrix from the global generator
        inject_adapter_in_model(config, module, adapter_name=ADAPTER)
    for name, parameter in module.named_parameters():
        if parameter.requires_grad and "lora_" in name:
            parameter.data = parameter.data.float()


def compute_again(bagel: Bagel) -> None:
    """From now on a layer keeps for its backward pass what enters it alone, and is computed again on the way back."""
    for layer in bagel.language_model.model.layers:
        layer.forward = partial(_twice, layer.forward)  # a module's own attribute goes before its class's method


def _twice(forward: Callable[..., Any], *given: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*given)
    return checkpoint(forward, *given, use_reentrant=False, preserve_rng_state=False)  # no layer draws numbers


def refuse_half(parameters: Mapping[str, nn.Parameter]) -> None:
    """ValueError for a trainable parameter in less than float32: small updates would change nothing in it."""
    for name, parameter in parameters.items():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"the trainable parameter {name} is {str(parameter.dtype).removeprefix('torch.')}; "
                "keep trained weights in float32 and compute in half precision (bf16: true), train adapters (lora_r), "
                "or launch with recipes/accelerate/fsdp2.yaml, which keeps float32 masters in shards"
            )


def tuners(module: nn.Module) -> list[BaseTunerLayer]:
    """The layers that carry adapters."""
    return [one for one in module.modules() if isinstance(one, BaseTunerLayer)]


@contextmanager
def disabled(module: nn.Module) -> Iterator[None]:
    """While open, the module answers as if it had no adapters; they are on again afterwards, whatever happens."""
    layers = tuners(module)
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        if any(layer.disable_adapters for layer in layers):
            raise RuntimeError("adapters stayed off after the reference had been asked")


@contextmanager
def only(parameters: Mapping[str, nn.Parameter], kinds: Mapping[str, Expert], expert: Expert) -> Iterator[None]:
    """While open, only one expert's parameters have gradients: images teach one, texts the other."""
    for name, parameter in parameters.items():
        parameter.requires_grad_(kinds[name] == expert)
    try:
        yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(True)


@contextmanager
def swapped(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> Iterator[None]:
    """While open, the parameters hold other values; bit for bit their own again afterwards. Not inside a graph."""
    own = {name: placed(one.detach(), values[name]).clone() for name, one in parameters.items()}
    try:
        write(parameters, values)
        yield
    finally:
        write(parameters, own)


def merge(module: nn.Module) -> None:
    """Adds every adapter to the weights below it, and takes it out of the module."""
    for name, layer in [(name, one) for name, one in module.named_modules() if isinstance(one, BaseTunerLayer)]:
        layer.merge()
        parent, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(parent), leaf, layer.get_base_layer())
