"""Memory and time of a unified model, by arithmetic on its shape and on what it is asked for (docs/bagel.md).

Letters of the formulas: H hidden width, I width of the feed-forward layers, S heads, T key-value heads, D head width.
Weights, contexts and products of matrices are exact; the memory that a forward takes in passing is a fitted count of
numbers a token, within a third of what is measured (tests/test_bagel_estimate.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from harness.bagel.config import BagelConfig, LanguageConfig
from harness.bagel.guidance import Guidance
from harness.bagel.size import TIME_WAVE, adapter_parameters, count_parameters, layer_matrices

ADAM = 16
"""Bytes of a trained number in float32: itself, its gradient, two moments."""
MARKS = 2
"""Tokens that frame an image."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is made at once."""

    sigmas: tuple[float, ...]
    """Noise levels of the grid, from 1 to 0"""
    guidance: Guidance = field(default_factory=Guidance)
    rows: int = 1
    """Images drawn together"""
    share: int = 1
    """How many of them share one reading of what is given: the members of a group in training, none in evaluation"""
    latents: int = 4096
    """Latent tokens of one drawn image: (height / 16) x (width / 16) for BAGEL"""
    text: int = 64
    """Tokens of the prompt, with its marks"""
    system: int = 0
    """Tokens that ask for a plan"""
    thought: int = 0
    """Tokens of the plan"""
    sources: tuple[tuple[int, int], ...] = ()
    """Latent tokens and patches of each image that is given"""
    width: int = 2
    """Bytes of a number that is computed with"""

    @property
    def seen(self) -> int:
        """Tokens of the images given, with their marks."""
        return sum(latents + patches + 2 * MARKS for latents, patches in self.sources)

    @property
    def main(self) -> int:
        """Tokens of the context that an image is drawn in (method.md 2.2)."""
        return self.system + self.seen + self.text + self.thought

    @property
    def guiding(self) -> tuple[int, ...]:
        """Tokens of each further context that guidance reads; an empty one counts as well."""
        found = (self.system + self.seen,) if self.guidance.text > 1.0 else ()
        return (*found, self.system + self.text) if self.sources and self.guidance.image > 1.0 else found

    @property
    def drawn(self) -> int:
        """Tokens of one image as it is drawn."""
        return self.latents + MARKS


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes."""

    weights: int
    contexts: int
    """Keys and values that are kept"""
    passing: int
    """What one forward takes and gives back"""
    training: int = 0
    """Adapters with gradient and moments, and what their backward pass keeps"""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.contexts + self.passing + self.training


def branches(work: Work) -> list[int]:
    """How many contexts each transition of the grid is drawn in: 1, and one more for each guidance where it applies."""
    return [1 + (len(work.guiding) if work.guidance.applies(sigma) else 0) for sigma, _ in pairwise(work.sigmas)]


def forwards(work: Work) -> int:
    """Rows that pass through the network while all images are drawn."""
    return work.rows * sum(branches(work))


def token_bytes(language: LanguageConfig, width: int = 2) -> int:
    """Bytes of the keys and values of one token in all layers, in numbers of `width` bytes."""
    return 2 * language.num_hidden_layers * language.num_key_value_heads * language.head_width * width


def context_tokens(work: Work) -> int:
    """Tokens whose keys and values are kept: what is given, its parts that guidance reads apart, and the plans."""
    copied = work.sources or (work.thought and work.share == 1)  # a plan joins a copy where no reading is shared
    given = 2 * (work.system + work.seen) + work.text + (work.system + work.text if copied else 0)
    return work.rows // work.share * given + work.rows * work.thought


def passing_bytes(config: BagelConfig, work: Work) -> int:
    """The most that one forward holds beside weights and contexts: a layer's feed-forward half over all its tokens."""
    language = config.language
    tokens = work.rows * max(branches(work)) * work.drawn
    numbers = 3 * language.intermediate_size + 4 * language.hidden_size
    read = work.rows * (work.main + work.drawn) * token_bytes(language, work.width) // language.num_hidden_layers
    return tokens * numbers * work.width + 2 * read


def picture_bytes(config: BagelConfig, work: Work, width: int = 4) -> int:
    """The most that decoding one picture holds: four maps of the finest level but one, at full size."""
    if config.vae is None:
        return 0
    pixels = work.latents * config.downsample**2
    return 4 * config.vae.widths[min(1, len(config.vae.widths) - 1)] * pixels * width


def drawing_memory(config: BagelConfig, work: Work, picture_width: int = 4) -> Memory:
    """Memory of an evaluation; the autoencoder computes in numbers of `picture_width` bytes."""
    counted = count_parameters(config)
    return Memory(
        counted.network * work.width + counted.image_space * picture_width,
        context_tokens(work) * token_bytes(config.language, work.width),
        max(passing_bytes(config, work), picture_bytes(config, work, picture_width)),
    )


def training_memory(config: BagelConfig, work: Work, rank: int, window: int, saving: bool, experts: int = 2) -> Memory:
    """Memory of one optimiser step with adapters of `rank`, all `window` transitions of `work.rows` in one forward.

    `saving` keeps only what enters each layer for the backward pass, and computes the rest again.
    """
    language, drawing = config.language, drawing_memory(config, work)
    tokens = max(work.rows * window * max(branches(work)) * work.drawn, work.rows * work.thought)
    layer = tokens * kept_numbers(language) * work.width
    entered = tokens * language.hidden_size * work.width * (language.num_hidden_layers + 1)
    kept = entered + layer if saving else layer * language.num_hidden_layers
    return Memory(
        drawing.weights,
        drawing.contexts,
        window * passing_bytes(config, work),
        experts * adapter_parameters(language, rank) * ADAM + kept,
    )


def kept_numbers(language: LanguageConfig) -> int:
    """Numbers that the backward pass of one layer keeps of a token: norms, projections, attention, feed-forward."""
    return 10 * language.hidden_size + 6 * language.intermediate_size


def read_products(language: LanguageConfig, tokens: int, context: int) -> int:
    """Floating-point operations of reading tokens after a context, in all layers, language head apart."""
    matrices = 2 * layer_matrices(language) * tokens
    attention = 4 * language.num_attention_heads * language.head_width * tokens * (context + tokens)
    return language.num_hidden_layers * (matrices + attention)


def drawing_products(config: BagelConfig, work: Work) -> int:
    """Floating-point operations of all transitions, the autoencoder apart."""
    contexts = (work.main, *work.guiding)
    width = config.language.hidden_size
    inside = 4 * work.latents * config.token_width * width + 2 * width * (TIME_WAVE + width)
    total = 0
    for count in branches(work):
        total += sum(read_products(config.language, work.drawn, one) + inside for one in contexts[:count])
    return work.rows * total


def seconds(config: BagelConfig, work: Work, products: float, bandwidth: float) -> tuple[float, float]:
    """Seconds of writing all plans and of drawing all images.

    `products` are floating-point operations a second that the card sustains, `bandwidth` its bytes a second. Each token
    of a plan reads the weights of one expert and the language head once for all rows, and their contexts.
    """
    counted, language = count_parameters(config), config.language
    weights = (counted.understanding + counted.words // 2) * work.width
    contexts = work.rows * work.main * token_bytes(language, work.width)
    read = sum(read_products(language, one, 0) for one in (work.main, *work.guiding)) * work.rows
    written = work.thought * (weights + contexts) / bandwidth
    return written, (read + drawing_products(config, work)) / products
