"""Figures of a picture that need no verifier: reward hacking shows there first (harness.md R6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image


def guards(image: Image.Image) -> dict[str, Any]:
    """Entropy of the grey levels in bits, share of dark pixels, edge density, mean saturation, perceptual hash."""
    colour = np.asarray(image.convert("RGB"), dtype=np.float64)
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    share = np.bincount(grey.astype(int).ravel(), minlength=256) / grey.size
    used = share[share > 0]
    steps = [np.abs(np.diff(grey, axis=axis)) > 16 for axis in (0, 1)]
    highest, lowest = colour.max(-1), colour.min(-1)
    return {
        "entropy": round(float(-(used * np.log2(used)).sum()), 6),
        "dark": round(float((grey < 32).mean()), 6),
        "edges": round(float(sum(step.sum() for step in steps) / max(1, sum(step.size for step in steps))), 6),
        "saturation": round(float(((highest - lowest) / np.maximum(highest, 1.0)).mean()), 6),
        "hash": perceptual_hash(image),
    }


def perceptual_hash(image: Image.Image) -> str:
    """Difference hash: whether each of 8 x 8 cells is brighter than its right neighbour, as 16 hex digits."""
    small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int64)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"
