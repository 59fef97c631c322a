"""How much of what is asked was trained on: prompts that are the same, and prompts that almost are (harness.md R6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

NEAR = 0.8
"""Resemblance from which two prompts count as near duplicates."""
CHUNK = 256
"""Prompts compared at once."""


def prompt_overlap(asked: Sequence[str], trained: Sequence[str]) -> dict[str, int]:
    """How many different prompts asked were trained on: `exact` but for case and punctuation, or `near` alone.

    Near is a resemblance of .8 or more, shared over all words and neighbouring pairs of words (Broder 1997, eq. 1).
    """
    known = {words(one) for one in trained}
    rest = sorted({words(one) for one in asked} - known)
    exact = len({words(one) for one in asked}) - len(rest)
    return {"exact": exact, "near": int(np.sum(nearest(rest, sorted(known)) >= NEAR))}


def words(text: str) -> tuple[str, ...]:
    """The words of a prompt in their order."""
    return tuple(re.findall(r"\w+", text.casefold()))


def nearest(asked: Sequence[tuple[str, ...]], known: Sequence[tuple[str, ...]]) -> np.ndarray:
    """The largest resemblance of each prompt to any known one; 0 where nothing is known."""
    if not asked or not known:
        return np.zeros(len(asked))
    places: dict[object, int] = {}
    one, other = (incidence(some, places) for some in (asked, known))
    width = len(places)
    one, other = (csr_array((a.data, a.indices, a.indptr), shape=(a.shape[0], width)) for a in (one, other))
    sizes = np.diff(one.indptr), np.diff(other.indptr)
    found = []
    for start in range(0, len(asked), CHUNK):
        rows = slice(start, start + CHUNK)
        shared = (one[rows] @ other.T).toarray()
        found.append((shared / np.maximum(sizes[0][rows, None] + sizes[1] - shared, 1)).max(1))
    return np.concatenate(found)


def incidence(prompts: Sequence[tuple[str, ...]], places: dict[object, int]) -> csr_array:
    """1 for each word and pair of neighbours that a prompt holds; `places` grows by those not seen before."""
    indices: list[int] = []
    ends = [0]
    for prompt in prompts:
        pieces = {*prompt, *pairwise(prompt)}
        indices += [places.setdefault(piece, len(places)) for piece in pieces]
        ends.append(len(indices))
    return csr_array((np.ones(len(indices)), indices, ends), shape=(len(prompts), len(places)))
