"""A benchmark's card: what it is, told without its data; `harness ls tasks` and docs/benchmarks.md are made of them."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.data import Origin


@dataclass(frozen=True, slots=True)
class Card:
    """Every benchmark's module has one as `CARD`; counts are those of a full run of the default split."""

    title: str
    kind: str
    reading: str
    """How a reply becomes values, in words."""
    combining: str
    """How values become an image's score, in words."""
    headline: str
    """How image scores become the figure, in words."""
    judge: str
    """The verifier that the published protocol names."""
    prompts: int
    images: int
    """Images a prompt."""
    calls: int
    """Calls of the verifier in a full run."""
    origin: Origin
