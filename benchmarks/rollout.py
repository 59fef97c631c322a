"""A group of images that think before they are drawn, together and one at a time: `python -m benchmarks.rollout`.

Both ways run the same code on the same weights. One at a time, each image gets a copy of the prompt's cache, as a loop
over images that keeps caches to itself would make it. Both are measured with one thread and with two: large matrices
are shared out among threads, and those of one image are too small for it. Each figure is the least of several rounds.
Pictures are drawn as `recipes/tiny_rt2i.yaml` rolls out, ten steps without guidance, and as `harness eval` draws them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from harness.bagel.context import Context
from harness.bagel.draw import Contexts, draw, noise_for
from harness.bagel.guidance import Guidance
from harness.bagel.model import Bagel, Canvas
from harness.bagel.schedule import sigma_grid
from harness.bagel.walk import Walk, given_text, wrote_text
from harness.bagel.write import Sampling, write
from harness.model_tiny import SHIPPED, read_bagel

GROUP, TOKENS, ROUNDS = 8, 24, 5
NEVER = "<|unknown|>"
"""Ends a text in place of the end mark, so that every thought has the same number of tokens."""


@dataclass(frozen=True, slots=True)
class Way:
    """How pictures are drawn."""

    name: str
    steps: int
    scale: float
    """Of text guidance; 1 draws without"""


WAYS = (Way("10 steps without guidance, as recipes/tiny_rt2i.yaml rolls out", 10, 1.0),
        Way("24 steps with text guidance, as harness eval draws", 24, 2.0))  # fmt: skip


def roll_out(bagel: Bagel, walk: Walk, end: int, seeds: Sequence[int], way: Way) -> tuple[float, float, torch.Tensor]:
    """Seconds to write the thoughts, seconds to draw, and the latents."""
    config, special = bagel.config, bagel.special
    start = time.perf_counter()
    bagel.special = replace(special, end=end)
    texts = write(bagel, walk.main, Sampling(most=TOKENS), seeds)
    bagel.special = special
    assert all(len(text.log_probs) == TOKENS for text in texts), "a thought ended early"
    written = time.perf_counter()
    walk = wrote_text(bagel, walk, [text.ids for text in texts], private=True, last=False)
    side = config.max_latent_size
    canvas = Canvas.of([(side, side)] * len(seeds), side)
    noise = noise_for(seeds, side * side, config.token_width)
    guidance = Guidance(way.scale, 1.0, 0.0, 1.0, "none")
    contexts = Contexts(walk.main, walk.text_free)
    latents = draw(bagel, contexts, noise, sigma_grid(way.steps + 1, 1.0).tolist(), canvas, guidance)
    return written - start, time.perf_counter() - written, latents


def copied(context: Context) -> Context:
    """The same context in memory of its own."""
    segments = (
        replace(segment, layers=tuple((keys.clone(), values.clone()) for keys, values in segment.layers))
        for segment in context.segments
    )
    return Context(tuple(segments), context.position.clone())


def copy_walk(walk: Walk) -> Walk:
    """All three contexts copied."""
    return Walk(copied(walk.main), copied(walk.text_free), copied(walk.image_free))


def least(rounds: Sequence[Sequence[float]]) -> list[float]:
    """The smallest value of each column: what else the machine does can only add."""
    return [min(column) for column in zip(*rounds, strict=True)]


def compare(bagel: Bagel, walk: Walk, end: int, threads: int, way: Way) -> None:
    """Prints seconds together and one at a time with so many threads, ratios, and how far the images lie apart."""
    torch.set_num_threads(threads)
    seeds = list(range(GROUP))
    roll_out(bagel, walk, end, seeds, way)
    fast, slow, apart = [], [], 0.0
    for _ in range(ROUNDS):
        *times, together = roll_out(bagel, walk, end, seeds, way)
        alone = [roll_out(bagel, copy_walk(walk), end, [seed], way) for seed in seeds]
        fast.append(times)
        slow.append([sum(one[part] for one in alone) for part in (0, 1)])
        apart = max(apart, (together - torch.cat([one[2] for one in alone])).abs().max().item())
    (thinking, drawing), (slow_thinking, slow_drawing) = least(fast), least(slow)
    print(
        f"  {threads} threads: together {thinking:.2f} + {drawing:.2f} s, "
        f"one at a time {slow_thinking:.2f} + {slow_drawing:.2f} s: thinking {slow_thinking / thinking:.1f}x, "
        f"drawing {slow_drawing / drawing:.1f}x, both {(slow_thinking + slow_drawing) / (thinking + drawing):.1f}x; "
        f"largest difference {apart:.1e}",
        flush=True,
    )


@torch.inference_mode()
def main() -> None:
    """Prints a line for one thread and one for two, drawn in either way."""
    bagel, coder = read_bagel(SHIPPED)
    end = coder.tokenizer.token_to_id(NEVER)
    walk = given_text(bagel, Walk.begin(1), [coder.encode("think first , then draw .")])
    walk = given_text(bagel, walk, [coder.encode("a photo of a red circle left of a blue square")])
    for way in WAYS:
        print(f"{GROUP} images of one prompt, {TOKENS} thought tokens, {way.name}")
        for threads in (1, 2):
            compare(bagel, walk, end, threads, way)


if __name__ == "__main__":
    main()
