"""Items worked on together in chunks of one fixed shape, so that none depends on its neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

TEXT_BUCKET = 16
"""Texts are padded to a multiple of this many tokens."""


def chunks(alike: Sequence[Hashable], rows: int) -> Iterator[tuple[list[int], list[int]]]:
    """Places of equal items, at most `rows` at a time; then the same filled up to `rows` with the last of them."""
    together: dict[Hashable, list[int]] = defaultdict(list)
    for place, item in enumerate(alike):
        together[item].append(place)
    for places in together.values():
        for start in range(0, len(places), rows):
            wanted = places[start : start + rows]
            yield wanted, [*wanted, *[wanted[-1]] * (rows - len(wanted))]


def padded(length: int) -> int:
    """The length to which a text of so many tokens is padded."""
    return -(-length // TEXT_BUCKET) * TEXT_BUCKET
