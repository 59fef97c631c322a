"""harness compare: two runs, or two folders of runs, paired by prompt, image and question; a gate where asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from harness.ending import DONE, GATE

if TYPE_CHECKING:
    from harness.change import Change
    from harness.stored_run import StoredRun
    from leaderboards.contrast import Contrast


@dataclass(frozen=True)
class CompareConfig:
    """What changed from one run to another, over the values both have."""

    before: tyro.conf.Positional[Path]
    """A run folder, or a folder of run folders."""
    after: tyro.conf.Positional[Path]
    """The same of another model."""
    margin: float | None = None
    """Points that may be lost at most, 1 point = .01 of the range: exit 3 unless that is shown for every task."""
    alpha: float = 0.05
    """A difference counts as found when Holm's p is below this."""
    json: bool = False
    """Print JSON instead of tables."""


def main(arguments: list[str]) -> int:
    """Prints the comparison; 3 when a gate is not passed."""
    config = tyro.cli(CompareConfig, args=arguments, prog="harness compare")
    if not 0.0 < config.alpha < 1.0:
        raise ValueError(f"--alpha must lie between 0 and 1, not {config.alpha}")
    if config.margin is not None and config.margin <= 0.0:
        raise ValueError(f"--margin must be above 0 points, not {config.margin}")
    from leaderboards.contrast_table import as_record, print_contrasts

    found, understood = compare(config)
    if config.json:
        told = {"tasks": [as_record(one) for one in found], "understanding": [asdict(one) for one in understood]}
        print(json.dumps({**told, "margin": config.margin, "alpha": config.alpha}, indent=1, sort_keys=True))
    else:
        print_contrasts(found, understood, config.margin, config.alpha)
    gates = [one.headline.gate for one in found] + [one.gate for one in understood]
    return GATE if any(one not in (None, "passed") for one in gates) else DONE


def compare(config: CompareConfig) -> tuple[list[Contrast], list[Change]]:
    """Every task that both sides have, and understanding where both measured it; one Holm over all of them."""
    from harness.change import judged
    from harness.regression import changes, read_understanding
    from harness.stored_run import open_runs
    from leaderboards.contrast import contrast

    pairs = matched(open_runs(config.before), open_runs(config.after))
    found = [contrast(one, other) for one, other in pairs]
    folders = {side: {one.path for one in some} for side, some in enumerate(zip(*pairs, strict=True))}
    rows = [[row for path in sorted(folders[side]) for row in read_understanding(path)] for side in (0, 1)]
    understood = changes(*rows)
    all_judged = judged([*(one.headline for one in found), *understood], config.margin)
    contrasts = [replace(one, headline=change) for one, change in zip(found, all_judged, strict=False)]
    return contrasts, all_judged[len(found) :]


def matched(before: Sequence[StoredRun], after: Sequence[StoredRun]) -> list[tuple[StoredRun, StoredRun]]:
    """The runs of the same task on both sides; two single runs are a pair whatever they hold, so that it is told."""
    if len(before) == len(after) == 1:
        return [(before[0], after[0])]
    sides = [{one.name: one for one in some} for some in (before, after)]
    for some, side in zip((before, after), sides, strict=True):
        if len(side) < len(some):
            twice = sorted({one.name for one in some if sum(two.name == one.name for two in some) > 1})
            raise ValueError(f"{some[0].path.parent} holds several runs of {', '.join(twice)}; name one of them")
    shared = [name for name in sides[0] if name in sides[1]]
    if not shared:
        told = [", ".join(sorted(side)) for side in sides]
        raise ValueError(f"the two folders have no task in common: {told[0]} there, {told[1]} here")
    return [(sides[0][name], sides[1][name]) for name in shared]
