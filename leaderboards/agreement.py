"""What two runs must agree on before their figures stand side by side (benchmarks.md 22, harness.md 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.identity import hash_of
from harness.protocol import protocol_of

Run = Mapping[str, Any]


def served_ids(run: Run) -> list[str]:
    """Every identity that answered, as the verifiers named themselves."""
    return sorted(str(one["id"]) for one in run["verifier"]["served"])


FIELDS: dict[str, Callable[[Run], Any]] = {
    "task": lambda run: run["task"]["name"],
    "protocol": protocol_of,
    "version": lambda run: run["task"]["version"],
    "split": lambda run: run["task"]["split"],
    "item set": lambda run: f"{len(run['task']['samples'])} prompts {hash_of(run['task']['samples'])[:8]}",
    "task hash": lambda run: run["task"]["hash"][:12],
    "data files": lambda run: hash_of(run["task"]["files"])[:12],
    "reward id": lambda run: run["reward"]["id"],
    "verifier": lambda run: run["verifier"]["id"],
    "served verifier": served_ids,
    "verifier mode": lambda run: run["verifier"]["mode"],
    "verifier sampling": lambda run: run["verifier"]["sampling"],
    "headline": lambda run: run["task"]["headline"],
    "missing": lambda run: run["missing"],
    "images per prompt": lambda run: run["task"]["images_per_sample"],
    "seed": lambda run: run["seed"],
    "seed rule": lambda run: run["seed_rule"],
}
"""Every field that must be the same for a ranking, in the order in which a difference is told."""
PAIRED = tuple(name for name in FIELDS if name not in ("seed", "seed rule", "protocol"))
"""What a paired comparison asks for: other seeds are paired by the means of prompts, and whether to refine is a change
like any other."""


def facts(run: Run) -> dict[str, Any]:
    """The fields of one run."""
    return {name: read(run) for name, read in FIELDS.items()}


def differing(before: Mapping[str, Any], after: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """`reward id is 'a' there and 'b' here` for the first of these facts that differs; nothing when none does."""
    for name in names:
        if before.get(name) != after.get(name):
            return f"{name} is {before.get(name)!r} in the one and {after.get(name)!r} in the other"
    return ""
