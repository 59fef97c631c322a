"""The eyes of a unified model: a SigLIP encoder over the patches of pictures of any size (NaViT, arXiv 2307.06304).

Shapes: B pictures, L patches (shorter pictures are padded), W numbers in a patch, H width of the encoder.
Parameter names are those of ByteDance-Seed/Bagel under `vit_model` and `connector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

ACTIVATION = "gelu_pytorch_tanh"
"""The one activation of SigLIP, and of BAGEL's connector."""


@dataclass(frozen=True, slots=True)
class VitConfig:
    """The encoder's shape, with the keys of `vit_config.json`."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    image_size: int
    patch_size: int
    num_channels: int = 3
    layer_norm_eps: float = 1e-6

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> VitConfig:
        """Takes the keys it knows from a parsed `vit_config.json`; ValueError names those that are missing."""
        missing = [one.name for one in fields(cls) if one.name not in found and one.default is MISSING]
        if missing:
            raise ValueError(f"the configuration of the vision encoder lacks {', '.join(missing)}")
        activation = found.get("hidden_act", ACTIVATION)
        if activation != ACTIVATION:
            raise ValueError(f"the vision encoder's hidden_act must be {ACTIVATION!r}, not {activation!r}")
        return cls(**{one.name: found[one.name] for one in fields(cls) if one.name in found})

    @property
    def depth(self) -> int:
        """Layers that run: BAGEL leaves out the last one."""
        return self.num_hidden_layers - 1

    @property
    def side(self) -> int:
        """Patches along a side of the table of learned positions."""
        return self.image_size // self.patch_size

    @property
    def patch_width(self) -> int:
        """Numbers in one patch."""
        return self.num_channels * self.patch_size**2


class Attention(nn.Module):
    """Attention of every patch to the visible patches of its own picture."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        """The same shape (B, L, H); `visible` (B, 1, L, L) is True where a query may see a key."""
        query, key, value = (
            project(hidden).reshape(*hidden.shape[:2], self.num_heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        read = scaled_dot_product_attention(query, key, value, attn_mask=visible)
        out: Tensor = self.out_proj(read.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """The feed-forward half of a layer."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape."""
        out: Tensor = self.fc2(gelu(self.fc1(hidden), approximate="tanh"))
        return out


class Layer(nn.Module):
    """One layer: attention, then a feed-forward half, both normalised before."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.layer_norm1 = nn.LayerNorm(width, config.layer_norm_eps)
        self.self_attn = Attention(config)
        self.layer_norm2 = nn.LayerNorm(width, config.layer_norm_eps)
        self.mlp = MLP(config)

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        """The same shape."""
        hidden = hidden + self.self_attn(self.layer_norm1(hidden), visible)
        out: Tensor = hidden + self.mlp(self.layer_norm2(hidden))
        return out


class Embeddings(nn.Module):
    """Patches and their places to hidden vectors."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(config.patch_width, config.hidden_size)
        self.position_embedding = nn.Embedding(config.side**2, config.hidden_size)

    def forward(self, patches: Tensor, ids: Tensor) -> Tensor:
        """(B, L, W) at (B, L) to (B, L, H)."""
        embedded = self.patch_embedding(patches.to(self.patch_embedding.weight.dtype))
        out: Tensor = embedded + self.position_embedding(ids)
        return out


class Layers(nn.Module):
    """The layers that run, under the name the checkpoint gives them."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))

    def forward(self, hidden: Tensor, visible: Tensor) -> Tensor:
        """The same shape."""
        for layer in self.layers:
            hidden = layer(hidden, visible)
        return hidden


class VisionTransformer(nn.Module):
    """Embeddings, layers and the last norm."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Layers(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, patches: Tensor, ids: Tensor, visible: Tensor) -> Tensor:
        """(B, L, W) to (B, L, H)."""
        out: Tensor = self.post_layernorm(self.encoder(self.embeddings(patches, ids), visible))
        return out


class VisionEncoder(nn.Module):
    """Patches to features; a picture sees all of itself and nothing else."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.vision_model = VisionTransformer(config)

    def forward(self, patches: Tensor, ids: Tensor, valid: Tensor) -> Tensor:
        """Patches (B, L, W) at table positions (B, L) to features (B, L, H); those not `valid` (B, L) are padding."""
        # padding sees itself too: a query that may see nothing has no defined attention
        own = torch.eye(valid.shape[1], dtype=torch.bool, device=valid.device)
        out: Tensor = self.vision_model(patches, ids, (valid[:, None, :] | own)[:, None])
        return out


class Connector(nn.Module):
    """From the encoder's width to the language model's."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(before, after), nn.Linear(after, after)

    def forward(self, features: Tensor) -> Tensor:
        """(B, L, before) to (B, L, after)."""
        out: Tensor = self.fc2(gelu(self.fc1(features), approximate="tanh"))
        return out
