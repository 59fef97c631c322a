"""The reliability diagram: how often yes was true, by how sure the verifier was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.extra import extra


def draw_reliability(report: Mapping[str, Any], path: Path) -> bool:
    """Writes the diagram as PNG; False where there are no true answers, or no matplotlib to draw with."""
    if not report["bins"]:
        return False
    try:
        figure_of = extra("matplotlib.figure", "boards").Figure
    except ValueError:
        return False
    bins = [one for one in report["bins"] if one["n"]]
    figure = figure_of(figsize=(5.0, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    above.plot([one["said"] for one in bins], [one["true"] for one in bins], marker="o", color="#2266aa")
    error = report["figures"]["ece"]["value"]
    above.set(ylabel="yes is true", ylim=(-0.02, 1.02), title=f"{report['verifier']['id'][:60]}\n"
              f"against {report['against']}: calibration error {error:.3f}")  # fmt: skip
    below.bar([(one["low"] + one["high"]) / 2 for one in bins], [one["n"] for one in bins], width=0.09, color="#2266aa")
    below.set(xlabel="p(yes)", ylabel="answers", xlim=(-0.02, 1.02))
    figure.savefig(path, dpi=120)
    return True
