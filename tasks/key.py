"""A number that depends on what it is given and on nothing else: the root of all randomness here."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def key(*fields: Any) -> int:
    """H of method.md section 1: a 64-bit number that depends on the fields alone."""
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def seed_for(run_seed: int, sample: str, index: int) -> int:
    """The seed of one image (harness.md R7): it depends on these three alone."""
    digest = hashlib.sha256(f"{run_seed}|{sample}|{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
