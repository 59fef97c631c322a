"""The flags of `harness eval`."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from harness.refinement import GATES, TEMPLATES
from tasks.registry import unknown

Alias = tyro.conf.arg
CACHE_FLAGS = ("--use-cache", "--use_cache", "-c")
"""Flags that may stand without a folder."""


@dataclass(frozen=True)
class EvalConfig:
    """Score a model on a task. `--config FILE` reads these names from YAML, HARNESS_<NAME> from the environment;
    `--set name.inner=value` changes one value of either."""

    model: Annotated[str, Alias(aliases=["-M"])] = "tiny"
    """A name printed by `harness ls models`, or a dotted module of your own."""
    model_args: Annotated[str, Alias(aliases=["-a"])] = ""
    """Arguments of the model: k=v,k=v, JSON, or @file.json."""
    gen_kwargs: str = ""
    """Arguments of the model laid over --model-args, for those that say how it draws."""
    reason: bool = False
    """Think before drawing, with a model that can."""
    refine: int = 0
    """Rounds in which the model looks at its own picture, says what is wrong and draws again; 0 draws once."""
    gate: str | None = None
    """Which pictures --refine draws again: all, self, verifier or oracle; all when not given."""
    reflection: str | None = None
    """How --refine asks: open (may be right) or assert_failure; open when not given."""
    gate_verifier: str | None = None
    """The verifier of --gate verifier: never the one that scores."""
    gate_verifier_args: str = ""
    """Its arguments."""
    gate_question: str = "Does this picture show {prompt}? Answer yes or no."
    """What it is asked, with {prompt} where the prompt stands."""
    gate_threshold: float = 0.5
    """Pictures with a lower probability of yes are drawn again."""
    task: Annotated[str, Alias(aliases=["-t", "--tasks"])] = "scenes"
    """A name printed by `harness ls tasks`, or a dotted module; several with commas between them."""
    task_args: str = ""
    """Arguments of the task."""
    data: Path | None = None
    """Folder of benchmark data, one folder a benchmark; the cache and a download are tried when not given."""
    accept_licence: str = ""
    """Benchmarks, with commas between them, whose data may be downloaded under their licences."""
    verifier: str | None = None
    """A name printed by `harness ls verifiers`, or a dotted module; the task's own when not given."""
    verifier_args: str = ""
    """Arguments of the verifier."""
    reward: str = ""
    """A kind of reward in the place of the task's own, such as vqascore or readback."""
    reward_args: str = ""
    """What is said of it: reading, combine, options."""
    max_calls: int | None = None
    """Ask the verifier no more than so many times; what is left is saved as skipped, exit 4."""
    max_cost: float | None = None
    """Spend no more than this, by price_in= and price_out= of --verifier-args, the prices of a million tokens."""
    use_cache: Annotated[Path | None, Alias(aliases=["-c"])] = None
    """Folder where replies are kept and found again; without a folder ~/.cache/image-harness/replies."""
    output_path: Annotated[Path | None, Alias(aliases=["-o"])] = None
    """Folder of the run; with several tasks, of one folder each. runs/TASK-MODEL when not given."""
    limit: Annotated[float | None, Alias(aliases=["-L"])] = None
    """Only the first N prompts, or that share of them when below 1."""
    samples: Annotated[str, Alias(aliases=["-E"])] = ""
    """Only these sample ids, with commas between them."""
    num_images: Annotated[int | None, Alias(aliases=["--repeats"])] = None
    """Images a prompt; the task's own number when not given."""
    seed: int = 0
    """Decides every image's own seed."""
    batch_size: Annotated[int | Literal["auto"], Alias(aliases=["-b"])] = 16
    """Images asked of the model at once; changes no image. auto grows it while memory lasts."""
    device: str = "cpu"
    """Torch device of the model."""
    predict_only: Annotated[bool, Alias(aliases=["-x"])] = False
    """Make the pictures and ask no verifier; the same command without it scores them as they lie."""
    min_coverage: float = 0.98
    """Share of images that must have a score for a headline."""
    on_error: Literal["mask", "stop"] = "mask"
    """Whether a failed image leaves a row without a value, or ends the run."""
    missing: Literal["exclude", "official", "zero"] = "exclude"
    """What has no value: left out and held to --min-coverage; for parity alone, as the official script has it, or
    counted as the worst there is."""
    regress: str = ""
    """Ask what the model understands as well, through lm-eval: scenes-vqa, files of questions, or tasks of lm-eval."""
    baseline: Path | None = None
    """A run folder that --regress was asked in before: the same documents are compared, with a gate that exits 3."""
    margin: float = 1.0
    """Points of understanding that may be lost at most."""
    resume: Literal["auto", "none"] = "auto"
    """Go on with what the folder holds of this very run, or refuse a folder that holds any."""
    dry_run: bool = False
    """Print what would be made, and make nothing."""
    offline: bool = False
    """Refuse every connection."""
    trust_remote_code: bool = False
    """Let a model's repository run code of its own; recorded in run.json."""
    log_samples: Annotated[bool, Alias(aliases=["-s"])] = True
    """Accepted as in lm-eval; rows are always written."""
    json: bool = False
    """Print the results as JSON instead of a table."""
    verbosity: Annotated[Literal["normal", "quiet"], Alias(aliases=["-v"])] = "normal"
    """quiet shows no progress."""


def resolved(config: EvalConfig) -> str:
    """Model, task and all that is not a default, from whichever place it came, in one line."""
    told = {
        one.name: value
        for one in fields(EvalConfig)
        if (value := getattr(config, one.name)) != one.default or one.name in ("model", "task")
    }
    return "harness eval: " + ", ".join(f"{name}={value}" for name, value in told.items())


def check_ranges(config: EvalConfig) -> None:
    """ValueError names a number that means nothing."""
    if config.batch_size != "auto" and config.batch_size < 1:
        raise ValueError(f"--batch-size must be at least 1, not {config.batch_size}")
    for name in ("max_calls", "max_cost"):
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise ValueError(f"--{name.replace('_', '-')} must be more than 0, not {value:g}")
    if not 0.0 <= config.min_coverage <= 1.0:
        raise ValueError(f"--min-coverage must lie between 0 and 1, not {config.min_coverage}")
    check_refine(config)
    check_regress(config)


def check_regress(config: EvalConfig) -> None:
    """ValueError for a gate of understanding that could not be judged."""
    if config.margin <= 0.0:
        raise ValueError(f"--margin must be above 0 points, not {config.margin:g}")
    if config.baseline is None:
        return
    if not config.regress:
        raise ValueError("--baseline is what --regress compares with, which is not asked for: --regress scenes-vqa")
    if not (config.baseline / "understanding.jsonl").is_file():
        raise ValueError(f"{config.baseline} holds no understanding.jsonl; run it with --regress first")


def check_refine(config: EvalConfig) -> None:
    """ValueError names a flag of refinement that means nothing, or nothing with the others."""
    if config.refine < 0:
        raise ValueError(f"--refine must be 0 or more rounds, not {config.refine}")
    gate, reflection = config.gate or "all", config.reflection or "open"
    for flag, value, choices in (("gate", gate, GATES), ("reflection", reflection, TEMPLATES)):
        if value not in choices:
            raise ValueError(unknown(flag, value, choices))
    for name in ("gate", "reflection", "gate_verifier"):
        if getattr(config, name) is not None and not config.refine:
            raise ValueError(f"--{name.replace('_', '-')} says how --refine works, which is not asked for: --refine 1")
    if (gate == "verifier") != (config.gate_verifier is not None):
        raise ValueError("--gate verifier and --gate-verifier NAME need each other")
    if gate == "self" and reflection != "open":
        raise ValueError(f"--gate self needs --reflection open: {reflection} does not let a picture be right")
    if gate == "oracle" and config.predict_only:
        raise ValueError("--gate oracle asks the benchmark's own scorer, and --predict-only asks nobody")
    if config.verifier == "self" and gate in ("verifier", "oracle"):
        raise ValueError(f"--verifier self scores with the model that draws, so --gate is all or self, not {gate}")
    if "{prompt}" not in config.gate_question:
        raise ValueError(f"--gate-question {config.gate_question!r} lacks {{prompt}}")
    if not 0.0 < config.gate_threshold <= 1.0:
        raise ValueError(f"--gate-threshold must be above 0 and at most 1, not {config.gate_threshold}")


def offer_data(data: Path | None, accepted: str) -> None:
    """Tells the tasks where data lies and what may be downloaded, through the variables that these flags stand for."""
    given = {"HARNESS_DATA": str(data or ""), "HARNESS_ACCEPT_LICENCE": accepted}
    os.environ.update({name: value for name, value in given.items() if value})
