"""Trained weights in files that other programs load: adapters, or whole weights with the training in them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.bagel.checkpoint import read_weights
from harness.bagel.layout import NETWORK
from harness.bagel.layout import find_folder as find_bagel
from harness.model_tiny import SHIPPED
from harness.pipeline import Source, find_folder
from trainer.adapter import ADAPTER, merge
from trainer.policy_flow import FlowPolicy
from trainer.policy_unified import UnifiedPolicy
from trainer.stored_policy import StoredPolicy

Form = Literal["auto", "adapter", "merged"]


def form_of(stored: StoredPolicy, form: Form) -> Form:
    """`auto` as it comes out: an adapter where one was trained; ValueError for an adapter that does not exist."""
    rank = stored.config.lora_r
    if form == "auto":
        return "adapter" if rank else "merged"
    if form == "adapter" and not rank:
        raise ValueError("the run trained all weights (lora_r 0), so there is no adapter; export --form merged")
    return form


def write_weights(stored: StoredPolicy, out: Path, form: Form) -> None:
    """Fills an empty folder; the policy of a merged export is used up by it."""
    policy = stored.policy
    if isinstance(policy, FlowPolicy):
        return write_adapter(policy, out) if form == "adapter" else write_pipeline(stored, policy, out)
    if not isinstance(policy, UnifiedPolicy):
        raise ValueError(f"weights of {policy.id} cannot be exported")
    return write_peft(policy.bagel, out) if form == "adapter" else write_unified(stored, policy, out)


def write_adapter(policy: FlowPolicy, out: Path) -> None:
    """`pytorch_lora_weights.safetensors`, as `load_lora_weights` of the pipeline reads it, rank and alpha within."""
    if policy.record["adapter_digest"]:
        raise ValueError(
            "the run began with LoRA files, and its adapter fits only weights that hold them: --form merged"
        )
    network: Any = policy.network
    type(policy.model.pipeline).save_lora_weights(
        out,
        transformer_lora_layers=get_peft_model_state_dict(network, adapter_name=ADAPTER),
        transformer_lora_adapter_metadata=network.peft_config[ADAPTER].to_dict(),
    )


def write_pipeline(stored: StoredPolicy, policy: FlowPolicy, out: Path) -> None:
    """The pipeline's folder as it was, but for the networks that training or its LoRA files have changed."""
    given = stored.config.model_args
    source = find_folder(Source(given["pretrained"], given.get("revision"), given.get("variant")))
    merge(policy.network)
    loaded = policy.record["adapter_digest"]
    changed = {
        name: module
        for name, module in policy.model.pipeline.components.items()
        if isinstance(module, nn.Module) and (name == "transformer" or loaded)
    }
    for path in sorted(source.iterdir()):
        if path.is_dir() and path.name not in changed:
            shutil.copytree(path, out / path.name)
        elif path.name == "model_index.json":
            shutil.copyfile(path, out / path.name)
    for name, module in changed.items():
        saved: Any = module
        saved.save_pretrained(out / name, safe_serialization=True)


def write_peft(network: nn.Module, out: Path) -> None:
    """`adapter_model.safetensors` and `adapter_config.json`, as PeftModel.from_pretrained over BAGEL reads them."""
    unified: Any = network
    tensors = get_peft_model_state_dict(unified, adapter_name=ADAPTER)
    plain = {f"base_model.model.{name}": one.detach().cpu().contiguous() for name, one in tensors.items()}
    save_file(plain, out / "adapter_model.safetensors")
    unified.peft_config[ADAPTER].save_pretrained(out)


def write_unified(stored: StoredPolicy, policy: UnifiedPolicy, out: Path) -> None:
    """The checkpoint's folder with the network's file written anew: the same names and types, the trained values."""
    given = stored.config.model_args
    tiny = stored.config.model == "tiny"
    source = Path(given.get("weights") or SHIPPED) if tiny else find_bagel(given["pretrained"], given.get("revision"))
    merge(policy.bagel)
    state = policy.bagel.state_dict()
    index = source / f"{NETWORK}.index.json"
    before = read_weights(source / NETWORK if (source / NETWORK).is_file() else index)
    after: dict[str, Tensor] = {
        name: state[name].detach().to("cpu", one.dtype).contiguous() if name in state else one
        for name, one in before.items()
    }
    save_file(after, out / NETWORK)
    for path in sorted(source.iterdir()):
        if path.is_file() and not path.name.startswith("ema") and path.suffix in (".json", ".txt", ".safetensors"):
            shutil.copyfile(path, out / path.name)
