"""How many numbers a unified model holds, by arithmetic on its shape; no weight is needed.

Letters of the formulas: H hidden width, I width of the feed-forward layers, D width of a head, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from harness.bagel.config import BagelConfig, LanguageConfig
from harness.bagel.vae import VaeConfig
from harness.bagel.vit import VitConfig

TIME_WAVE = 256
"""Numbers of the sinusoidal features of a noise level."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of each part."""

    understanding: int
    """The expert of texts and of what the eyes see"""
    generation: int
    """The expert of latents, with what leads to it and from it"""
    words: int
    """Embeddings and the language head"""
    eyes: int
    """Vision encoder, connector and its table of positions"""
    image_space: int
    """The autoencoder"""

    @property
    def network(self) -> int:
        """All that `ema.safetensors` holds."""
        return self.understanding + self.generation + self.words + self.eyes

    @property
    def total(self) -> int:
        """With the autoencoder."""
        return self.network + self.image_space


def count_parameters(config: BagelConfig) -> Parameters:
    """The numbers of every part of a model of this shape."""
    language = config.language
    expert = expert_parameters(language)
    width = language.hidden_size
    words = language.vocab_size * width * (1 if language.tie_word_embeddings else 2)
    return Parameters(
        understanding=expert,
        generation=expert + latent_parameters(config),
        words=words,
        eyes=0 if config.vit is None else eye_parameters(config.vit, width, config.vit_max_num_patch_per_side),
        image_space=0 if config.vae is None else vae_parameters(config.vae),
    )


def linear(before: int, after: int) -> int:
    """A matrix and its bias."""
    return before * after + after


def expert_parameters(language: LanguageConfig) -> int:
    """One expert: its part of every layer, and its last norm."""
    return language.num_hidden_layers * layer_parameters(language) + language.hidden_size


def layer_parameters(language: LanguageConfig) -> int:
    """One expert's part of one layer."""
    norms = 2 * language.hidden_size + (2 * language.head_width if language.qk_norm else 0)
    biases = (language.num_attention_heads + 2 * language.num_key_value_heads) * language.head_width
    return layer_matrices(language) + biases + norms


def layer_matrices(language: LanguageConfig) -> int:
    """Numbers of one expert's matrices in one layer: what a token is multiplied by."""
    width, wide = language.hidden_size, language.num_attention_heads * language.head_width
    narrow = language.num_key_value_heads * language.head_width
    return 2 * width * wide + 2 * width * narrow + 3 * width * language.intermediate_size


def adapter_parameters(language: LanguageConfig, rank: int) -> int:
    """Low-rank adapters of one expert, in every matrix of every layer: each adds rank x (rows + columns)."""
    width, wide = language.hidden_size, language.num_attention_heads * language.head_width
    narrow = language.num_key_value_heads * language.head_width
    sides = 2 * (width + wide) + 2 * (width + narrow) + 3 * (width + language.intermediate_size)
    return language.num_hidden_layers * rank * sides


def latent_parameters(config: BagelConfig) -> int:
    """What leads from latents and noise levels into the network, and out of it."""
    width, token = config.language.hidden_size, config.token_width
    table = config.max_latent_size**2 * width
    return linear(TIME_WAVE, width) + linear(width, width) + linear(token, width) + linear(width, token) + table


def eye_parameters(vit: VitConfig, width: int, side: int) -> int:
    """The vision encoder, the connector to the language model's width, and the table of positions beside it."""
    own, inner = vit.hidden_size, vit.intermediate_size
    layer = 4 * linear(own, own) + linear(own, inner) + linear(inner, own) + 4 * own
    encoder = linear(vit.patch_width, own) + vit.side**2 * own + vit.depth * layer + 2 * own
    return encoder + linear(own, width) + linear(width, width) + side**2 * width


def vae_parameters(vae: VaeConfig) -> int:
    """Both halves of the autoencoder."""
    widths, last = vae.widths, vae.widths[-1]
    middle = 2 * block(last, last) + 4 * linear(last, last) + 2 * last
    down = convolution(vae.in_channels, vae.base_channels) + 2 * last + convolution(last, 2 * vae.z_channels)
    for before, after in pairwise((vae.base_channels, *widths)):
        down += block(before, after) + (vae.num_res_blocks - 1) * block(after, after)
    down += sum(convolution(width, width) for width in widths[:-1])
    up = convolution(vae.z_channels, last) + 2 * widths[0] + convolution(widths[0], vae.out_channels)
    for before, after in zip((*widths[1:], last), widths, strict=True):
        up += block(before, after) + vae.num_res_blocks * block(after, after)
    up += sum(convolution(width, width) for width in widths[1:])
    return down + up + 2 * middle


def convolution(before: int, after: int) -> int:
    """A convolution of 3 x 3 and its bias."""
    return 9 * before * after + after


def block(before: int, after: int) -> int:
    """A residual block: two norms, two convolutions, and a shortcut where the width changes."""
    shortcut = 0 if before == after else linear(before, after)
    return 2 * before + convolution(before, after) + 2 * after + convolution(after, after) + shortcut
