"""A sentence encoder of transformers: unit vectors of texts, the mean over their tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

from reward.vision_language import any_config

REFERENCE = "mpnet"
"""The family of the encoder that TIFA names (sentence-transformers/all-mpnet-base-v2)."""


class Sentences:
    """The model with its words; its id holds a hash of the weights, whatever folder they lie in."""

    def __init__(self, pretrained: str, device: str = "cpu") -> None:
        any_config(pretrained, {})
        self.tokenizer = AutoTokenizer.from_pretrained(pretrained)
        self.model = AutoModel.from_pretrained(pretrained).to(device).eval()
        self.device = device
        config = self.model.config
        family = f"{config.model_type}-{config.num_hidden_layers}x{config.hidden_size}"
        self.id = f"sentences:{family}@{weights_hash(self.model)}"
        self.stand_in = "" if config.model_type == REFERENCE else family

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors (texts, width)."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self.device)
        weights = tokens["attention_mask"].unsqueeze(-1)
        states: torch.Tensor = self.model(**tokens).last_hidden_state
        mean = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return torch.nn.functional.normalize(mean, dim=-1)

    def nearest(self, text: str, choices: Sequence[str]) -> int:
        """The place of the choice with the largest cosine to a text, the first one on ties."""
        found, *others = self.vectors([text, *choices])
        return max(range(len(choices)), key=lambda place: float(others[place] @ found))


def weights_hash(model: Any) -> str:
    """The first 12 hexadecimal digits of a SHA-256 over all weights."""
    whole = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        whole.update(name.encode())
        whole.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return whole.hexdigest()[:12]
