"""The table of trainable families in docs/models.md, measured on tiny random pipelines of the same classes.

`python -m benchmarks.families` prints it: the largest difference of a pixel between a rollout without noise and the
pipeline's own call, the largest difference of a log-probability between a rollout and its replay, and how far the
memory that `--plan` tells lies from what autograd keeps.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import pytest
import torch

from tests.pipelines import save_pipeline, small_sources
from tests.test_flow_memory import kept_by, plan_of
from tests.test_flow_policy import EDITS, SIZED, called, policy_of, rows_of
from trainer.memory_flow import flow_memory
from trainer.parity import measure

HEAD = "| pipeline | eval | edit | train | pixels | log-probabilities | forwards of a guided step | memory |"
MEMORY = (
    "Memory of training, in bytes: W + 16 L + k B J N. W: weights in their type (2 a number in bfloat16). L: the\n"
    "trained numbers (4 each for weight and gradient, 8 for AdamW; 4 more with `ema_decay`), B the micro-batch, J\n"
    "`sampler.window_size` times the forwards of a step, N the tokens, k what the transformer keeps of one token:\n"
    "34 bytes a layer and channel in bfloat16, twice that in float32 (Sana 58); with `gradient_checkpointing` 2 a\n"
    "layer, and 34 once. `harness train --plan` tells it for a pipeline in a folder; the column memory is that\n"
    "estimate over what autograd keeps."
)


def row_of(name: str) -> str:
    """One family, measured."""
    policy = policy_of(name, 3.0, "ode")
    rows = rows_of(name)
    drawn = policy.explore(rows)[3].drawings[0].final
    size = policy.size_of(rows[3][0].request)
    with torch.no_grad():
        ours = policy.family.decode(drawn[None], policy.family.layout(size))
    pixels = float((ours - called(policy, name, rows[3], 3.0)).abs().max())
    noisy = policy_of(name, 3.0)
    replay = measure(noisy, noisy.explore(rows)).largest
    kind = type(policy.model.pipeline).__name__
    edits = "yes" if name in EDITS else "-"
    told = f"{bound(pixels)} | {bound(replay)} | {policy.family.branches} | {estimated(name):.1f}"
    return f"| `{kind}` | yes | {edits} | yes | {told} |"


def estimated(name: str) -> float:
    """What a micro-batch is said to keep for the way back, over what autograd keeps of it."""
    measured, text = kept_by(policy_of(name, 3.0), name)
    with tempfile.TemporaryDirectory() as folder:
        found = flow_memory(plan_of(name, save_pipeline(name, Path(folder))), text=text)
    return math.nan if found is None else found.activations / measured


def bound(value: float) -> str:
    """0, or the next power of ten above a value: what lies below it differs from machine to machine."""
    return "0" if value == 0.0 else f"< 1e-{next(one for one in range(12, -1, -1) if value < 10.0**-one)}"


def main() -> None:
    """Prints the table."""
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()
    patch = pytest.MonkeyPatch()
    small_sources(patch)
    print(HEAD)
    print("|---|---|---|---|---|---|---|---|")
    for name in SIZED:
        print(row_of(name), flush=True)
    patch.undo()
    print(f"\n{MEMORY}")


if __name__ == "__main__":
    main()
