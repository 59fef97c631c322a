"""The language model with two experts: text and ViT tokens use one set of weights, latent tokens the other.

Shapes: B rows, U tokens of understanding, N latent tokens, L = U + N, H hidden width, D head width.
Attention is shared by both experts (BAGEL, arXiv 2505.14683, section 2; parameter names of ByteDance-Seed/Bagel).
Keys carry their own position and validity, so tokens lie in any order: understanding first, latents after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import silu

from harness.bagel.attention import Branch, attend
from harness.bagel.config import LanguageConfig
from harness.bagel.context import Context, KeysValues
from harness.bagel.positions import rotary, rotate


@dataclass(frozen=True, slots=True)
class Tokens:
    """One block of input: embeddings of both kinds (a kind may have no token) and what they may look at."""

    understanding: Tensor
    """(B, U, H)"""
    latent: Tensor
    """(B, N, H)"""
    positions: Tensor
    """(B, L) rotary positions, understanding first"""
    own: Tensor | None
    """(B, L, L) True where a token may see another of its block; None where all see all"""


class RMSNorm(nn.Module):
    """Root-mean-square norm computed in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape and type, normalised over the last dimension."""
        exact = hidden.float()
        mean = vector_norm(exact, dim=-1, keepdim=True).square() / hidden.shape[-1]
        return self.weight * (exact * torch.rsqrt(mean + self.epsilon)).to(hidden.dtype)


class Attention(nn.Module):
    """Grouped-query attention, query and key norms, one set of projections for each expert."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.num_heads, self.num_groups = config.num_attention_heads, config.num_key_value_heads
        self.head_width, self.hidden = config.head_width, config.hidden_size
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
        heads: Tensor = getattr(self, f"{name}_proj{suffix}")(hidden).unflatten(-1, (-1, self.head_width))
        if name == "v":
            return heads
        normed: Tensor = getattr(self, f"{name}_norm{suffix}")(heads)
        return normed

    def both(self, name: str, understanding: Tensor, latent: Tensor) -> Tensor:
        """Both experts' projections side by side, (B, L, heads, D)."""
        parts = [self.project(name, understanding, "")] if understanding.shape[1] else []
        parts += [self.project(name, latent, "_moe_gen")] if latent.shape[1] else []
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def forward(
        self, understanding: Tensor, latent: Tensor, angles: KeysValues, branches: Sequence[Branch], layer: int
    ) -> tuple[Tensor, Tensor, KeysValues]:
        """What each kind of token reads, and the block's own keys and values."""
        query, key = (rotate(self.both(name, understanding, latent), *angles).transpose(1, 2) for name in ("q", "k"))
        own = (key, self.both("v", understanding, latent).transpose(1, 2))
        read = attend(query, own, branches, layer).transpose(1, 2).flatten(2)
        split = understanding.shape[1]
        return self.out(read[:, :split], ""), self.out(read[:, split:], "_moe_gen"), own

    def out(self, read: Tensor, suffix: str) -> Tensor:
        """One expert's output (B, tokens, H) of what its tokens read."""
        if not read.shape[1]:
            return read.new_empty(read.shape[0], 0, self.hidden)
        # a slice would be multiplied row by row
        projected: Tensor = getattr(self, f"o_proj{suffix}")(read.contiguous())
        return projected


class MLP(nn.Module):
    """Gated feed-forward layer."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape."""
        gate, up = self.gate_proj(hidden), self.up_proj(hidden)
        # without gradients nobody needs the factors again, and less memory is touched
        gated = silu(gate) * up if torch.is_grad_enabled() else silu(gate, inplace=True).mul_(up)
        out: Tensor = self.down_proj(gated)
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
        self, understanding: Tensor, latent: Tensor, angles: KeysValues, branches: Sequence[Branch], layer: int
    ) -> tuple[Tensor, Tensor, KeysValues]:
        """Both kinds of token after the layer, and the block's own keys and values."""
        first = self.normed("input_layernorm", understanding, "")
        second = self.normed("input_layernorm", latent, "_moe_gen")
        first, second, own = self.self_attn(first, second, angles, branches, layer)
        return self.feed(understanding + first, ""), self.feed(latent + second, "_moe_gen"), own

    def normed(self, name: str, hidden: Tensor, suffix: str) -> Tensor:
        """One expert's norm; nothing is done to nothing."""
        if not hidden.shape[1]:
            return hidden
        out: Tensor = getattr(self, name + suffix)(hidden)
        return out

    def feed(self, hidden: Tensor, suffix: str) -> Tensor:
        """The residual feed-forward half of one expert."""
        if not hidden.shape[1]:
            return hidden
        normed = self.normed("post_attention_layernorm", hidden, suffix)
        out: Tensor = hidden + getattr(self, f"mlp{suffix}")(normed)
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

    def forward(self, tokens: Tokens, contexts: Sequence[Context]) -> tuple[Tensor, Tensor, tuple[KeysValues, ...]]:
        """Final hidden states of both kinds, and each layer's own keys and values.

        With several contexts the rows are shared out among them equally, first to first.
        """
        angles = rotary(tokens.positions, self.config.head_width, self.config.rope_theta)
        rows, queries = tokens.positions.shape
        share = rows // len(contexts)
        own = [None] * len(contexts) if tokens.own is None else tokens.own.chunk(len(contexts))
        branches = [Branch.of(one, share, queries, block) for one, block in zip(contexts, own, strict=True)]
        understanding, latent = tokens.understanding, tokens.latent
        caches = []
        for number, layer in enumerate(self.layers):
            understanding, latent, read = layer(understanding, latent, angles, branches, number)
            caches.append(read)
        return self.norm(understanding), self.norm_moe_gen(latent), tuple(caches)


class Language(nn.Module):
    """The body and its language head."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.model = Body(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
