"""harness diversity: how far apart a model's pictures of one prompt lie, in finished runs of any task."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from harness.ending import DONE

if TYPE_CHECKING:
    from harness.stored_run import StoredRun


@dataclass(frozen=True)
class DiversityConfig:
    """The mean distance of pairs of pictures of a prompt, over all prompts of these runs.

    OneIG-Bench's diversity is that over the runs of oneig-alignment, oneig-text and oneig-reasoning, by DreamSim; with
    any other encoder it is a figure of its own.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, all of one model; several pictures a prompt."""
    pretrained: str = "facebook/dinov2-base"
    """The encoder: a checkpoint of transformers with vectors of pictures (DINOv2, CLIP, SigLIP and others)."""
    revision: str | None = None
    """Its commit."""
    device: str = "cpu"
    """Where it runs."""
    json: bool = False
    """Print JSON instead of a table."""


def main(arguments: list[str]) -> int:
    """Prints the figure of each run and of all together."""
    config = tyro.cli(DiversityConfig, args=arguments, prog="harness diversity")
    if not config.runs:
        raise ValueError("harness diversity needs a run folder")
    from harness.diversity import diversity
    from harness.stored_run import open_run

    runs = [open_run(one) for one in config.runs]
    try:
        encoder = importlib.import_module("reward.embedding").open_encoder(
            config.pretrained, config.revision, config.device
        )
    except ImportError:
        raise ValueError("harness diversity needs transformers: pip install 'image-harness[models]'") from None
    each, whole = diversity(runs, encoder.vectors)
    if config.json:
        told = [{"run": str(run.path), "task": run.name, **one} for run, one in zip(runs, each, strict=True)]
        print(json.dumps({"encoder": encoder.id, "runs": told, "all": whole}, indent=1, sort_keys=True))
    else:
        print_figures(runs, each, whole, encoder.id)
    return DONE


def print_figures(
    runs: Sequence[StoredRun], each: Sequence[Mapping[str, Any]], whole: Mapping[str, Any], encoder: str
) -> None:
    """A line a run, and one for all."""
    print(f"diversity by {encoder}: mean of 1 - cosine over pairs of pictures of a prompt")
    for name, one in [*((run.name, one) for run, one in zip(runs, each, strict=True)), ("all", whole)]:
        around = "" if one["ci"] is None else f" [{one['ci']['low']:.3f}, {one['ci']['high']:.3f}]"
        value = "-" if one["value"] is None else f"{one['value']:.3f}"
        print(f"{name:40} {value}{around}  {one['scored']}/{one['planned']} prompts")
