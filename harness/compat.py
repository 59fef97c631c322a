"""Our results in the shape that lm-eval prints with its own table (harness.md 3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.protocol import protocol_of, shown_task


def lm_eval_block(run: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """lm-eval 0.4.13's results object; a headline that is withheld is left out, not written as 0."""
    name = shown_task(run["task"]["name"], protocol_of(run))
    figures: dict[str, Any] = {"alias": name, "coverage,none": results["coverage"]["images"]["fraction"]}
    headline = results["metrics"][0]
    if results["headline"] is not None:
        figures["score,none"] = headline["value"]
        figures["score_stderr,none"] = "N/A" if headline["se"] is None else headline["se"]
    return {
        "results": {name: figures},
        "versions": {name: run["task"]["version"]},
        "n-shot": {name: 0},
        "higher_is_better": {name: {"score": True, "coverage": True}},
        "n-samples": {name: {"original": results["n"]["prompts"], "effective": headline["clusters"]}},
    }
