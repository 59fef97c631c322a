"""The language model with two experts: text and ViT tokens use one set of weights, latent tokens the other.

Shapes: B rows, U tokens of understanding, N latent tokens, L = U + N, C cached tokens, H hidden width, D head width.
Attention is shared by both experts (BAGEL, arXiv 2505.14683, section 2; parameter names of ByteDance-Seed/Bagel).
Keys carry their own position and validity, so tokens lie in any order: understanding first, latents after.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from harness.bagel.config import LanguageConfig
from harness.bagel.positions import rotary, rotate

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, each (B, key-value heads, C, D)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One block of input: embeddings of both kinds (a kind may have no token) and what they may look at."""

    understanding: Tensor
    """(B, U, H)"""
    latent: Tensor
    """(B, N, H)"""
    positions: Tensor
    """(B, L) rotary positions, understanding first"""
    visible: Tensor
    """(B, 1, L, C + L) True where a query may see a key, cached keys first"""


class RMSNorm(nn.Module):
    """Root-mean-square norm computed in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape and type, normalised over the last dimension."""
        exact = hidden.float()
        exact = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return self.weight * exact.to(hidden.dtype)


class Attention(nn.Module):
    """Grouped-query attention, query and key norms, one set of projections for each expert."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.num_heads, self.num_groups = config.num_attention_heads, config.num_key_value_heads
        self.head_width = config.head_width
        narrow, wide = self.num_groups * self.head_width, self.num_heads * self.head_width
        for suffix in ("", "_moe_gen"):
            self.add_module(f"q_proj{suffix}", nn.Linear(config.hidden_size, wide))
            self.add_module(f"k_proj{suffix}", nn.Linear(config.hidden_size, narrow))
            self.add_module(f"v_proj{suffix}", nn.Linear(config.hidden_size, narrow))
            self.add_module(f"o_proj{suffix}", nn.Linear(wide, config.hidden_size, bias=False))
            for name in (f"q_norm{suffix}", f"k_norm{suffix}"):
                norm = RMSNorm(self.head_width, config.rms_norm_eps) if config.qk_norm else nn.Identity()
                self.add_module(name, norm)

    def project(self, name: str, hidden: Tensor, suffix: str) -> Tensor:
        """One expert's queries, keys or values as (B, tokens, heads, D)."""
        heads: Tensor = self.get_submodule(f"{name}_proj{suffix}")(hidden).unflatten(-1, (-1, self.head_width))
        if name == "v":
            return heads
        normed: Tensor = self.get_submodule(f"{name}_norm{suffix}")(heads)
        return normed

    def both(self, name: str, understanding: Tensor, latent: Tensor) -> Tensor:
        """Both experts' projections side by side, (B, heads, L, D)."""
        parts = [self.project(name, understanding, "")] if understanding.shape[1] else []
        parts += [self.project(name, latent, "_moe_gen")] if latent.shape[1] else []
        return torch.cat(parts, dim=1).transpose(1, 2)

    def forward(
        self, understanding: Tensor, latent: Tensor, angles: KeysValues, visible: Tensor, past: KeysValues | None
    ) -> tuple[Tensor, Tensor, KeysValues]:
        """What each kind of token reads, and the block's own keys and values."""
        query = rotate(self.both("q", understanding, latent), *angles)
        key = rotate(self.both("k", understanding, latent), *angles)
        value = self.both("v", understanding, latent)
        own = (key, value)
        if past is not None:
            shared = key.shape[0] // past[0].shape[0]  # rows of one group read one stored prefix
            key = torch.cat([past[0].repeat_interleave(shared, 0), key], dim=2)
            value = torch.cat([past[1].repeat_interleave(shared, 0), value], dim=2)
        if self.num_groups != self.num_heads:
            repeats = self.num_heads // self.num_groups
            key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
        read = scaled_dot_product_attention(query, key, value, attn_mask=visible).transpose(1, 2).flatten(2)
        split = understanding.shape[1]
        first, second = read[:, :split], read[:, split:]
        return self.get_submodule("o_proj")(first), self.get_submodule("o_proj_moe_gen")(second), own


class MLP(nn.Module):
    """Gated feed-forward layer."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape."""
        out: Tensor = self.down_proj(silu(self.gate_proj(hidden)) * self.up_proj(hidden))
        return out


class Layer(nn.Module):
    """One transformer layer: shared attention, an expert for each kind of token."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        for suffix in ("", "_moe_gen"):
            self.add_module(f"mlp{suffix}", MLP(config))
            self.add_module(f"input_layernorm{suffix}", RMSNorm(config.hidden_size, config.rms_norm_eps))
            self.add_module(f"post_attention_layernorm{suffix}", RMSNorm(config.hidden_size, config.rms_norm_eps))

    def forward(
        self, understanding: Tensor, latent: Tensor, angles: KeysValues, visible: Tensor, past: KeysValues | None
    ) -> tuple[Tensor, Tensor, KeysValues]:
        """Both kinds of token after the layer, and the block's own keys and values."""
        first = self.get_submodule("input_layernorm")(understanding)
        second = self.get_submodule("input_layernorm_moe_gen")(latent)
        first, second, own = self.self_attn(first, second, angles, visible, past)
        return self.feed(understanding + first, ""), self.feed(latent + second, "_moe_gen"), own

    def feed(self, hidden: Tensor, suffix: str) -> Tensor:
        """The residual feed-forward half of one expert."""
        if not hidden.shape[1]:
            return hidden
        normed = self.get_submodule(f"post_attention_layernorm{suffix}")(hidden)
        out: Tensor = hidden + self.get_submodule(f"mlp{suffix}")(normed)
        return out


class Body(nn.Module):
    """Embeddings and layers; the part that the language head reads."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.norm_moe_gen = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, tokens: Tokens, past: tuple[KeysValues, ...] | None
    ) -> tuple[Tensor, Tensor, tuple[KeysValues, ...]]:
        """Final hidden states of both kinds, and each layer's own keys and values."""
        angles = rotary(tokens.positions, self.config.head_width, self.config.rope_theta)
        understanding, latent = tokens.understanding, tokens.latent
        caches = []
        for number, layer in enumerate(self.layers):
            before = None if past is None else past[number]
            understanding, latent, own = layer(understanding, latent, angles, tokens.visible, before)
            caches.append(own)
        return self.norm(understanding), self.norm_moe_gen(latent), tuple(caches)


class Language(nn.Module):
    """The body and its language head."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.model = Body(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
