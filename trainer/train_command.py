"""harness train: reads a recipe, trains, and leaves a run folder that goes on where it stopped."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
import yaml
from accelerate import Accelerator

from harness.arguments import parse_arguments
from harness.ending import DONE, GATE
from harness.json_lines import write_json
from harness.process import place_in_launch
from harness.regression import failed, told
from harness.stored_run import read_object
from trainer.build import build_assignment, build_run, learning_rates, training_task
from trainer.checkpoint import find_checkpoint, read_checkpoint
from trainer.cost import cost_lines
from trainer.launch import check_sharding
from trainer.recipe import read_recipe, resolved
from trainer.run import Run, restore
from trainer.train import train
from trainer.train_config import TrainConfig

Alias = tyro.conf.arg


@dataclass(frozen=True)
class TrainFlags:
    """Improve a model with the reward of a task. A recipe holds the settings; `--set a.b=value` changes one of them."""

    config: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, Alias(aliases=["-C"])] = ()
    """A recipe; a second one changes the first."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, Alias(aliases=["-s"])] = ()
    """One setting, such as learning_rate=1e-4 or sampler.window_size=3; may be given many times."""
    model: Annotated[str | None, Alias(aliases=["-M"])] = None
    """The model, over the recipe."""
    model_args: Annotated[str | None, Alias(aliases=["-a"])] = None
    """Arguments of the model, over the recipe's: k=v,k=v, JSON, or @file.json."""
    task: Annotated[str | None, Alias(aliases=["-t"])] = None
    """The training task, over the recipe."""
    output_dir: Annotated[Path | None, Alias(aliases=["-o", "--output-path"])] = None
    """Folder of the run, over the recipe."""
    require_calibration: float | None = None
    """Exit 3 unless the verifier answers so large a share of questions about rendered scenes rightly."""
    resume: Literal["auto", "none"] = "auto"
    """Go on from the newest checkpoint in the folder, or refuse a folder that holds any."""
    plan: bool = False
    """Print what an update costs, and stop."""
    dry_run: bool = False
    """Check everything that needs no model, print the settings, and stop."""
    verbosity: Annotated[Literal["normal", "quiet"], Alias(aliases=["-v"])] = "normal"
    """quiet shows no progress."""


class Stop:
    """Whether a signal has asked the run to end after its update."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def ask(self, _number: int, _frame: object) -> None:
        """What SIGTERM and SIGUSR1 do."""
        self.asked = True


def main(arguments: list[str]) -> int:
    """Runs `harness train`; gives the exit code."""
    flags = tyro.cli(TrainFlags, args=arguments, prog="harness train")
    config = read_flags(flags)
    check_sharding()
    if flags.plan:
        lines = cost_lines(config, training_task(config))
        if place_in_launch()[0] == 0:
            print("\n".join(lines))
        return DONE
    assignment = build_assignment(config)
    if flags.dry_run:
        print(yaml.safe_dump(resolved(config), sort_keys=False).rstrip())
        print("nothing was trained")
        return DONE
    checkpoint = find_checkpoint(config.output_dir / "checkpoints")
    if checkpoint is not None and flags.resume == "none":
        raise ValueError(f"{config.output_dir} holds a run already; choose another --output-dir or --resume auto")
    found = None if checkpoint is None else read_checkpoint(checkpoint)
    trackers = list(config.report_to) or None
    accelerator = Accelerator(cpu=config.device == "cpu", log_with=trackers, project_dir=config.output_dir)
    run = build_run(config, assignment, accelerator, flags.verbosity == "quiet")
    begin(run, assignment.warnings, flags.verbosity == "quiet")
    if found is not None:
        restore(run, found)
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, stop.ask)
    with run.log.progress:
        why = train(run, stop)
    return finish(run, why)


def read_flags(flags: TrainFlags) -> TrainConfig:
    """The configuration of a command line."""
    named = {
        name: value for name in ("model", "task", "require_calibration") if (value := getattr(flags, name)) is not None
    }
    if flags.model_args is not None:
        named["model_args"] = parse_arguments(flags.model_args)
    if flags.output_dir is not None:
        named["output_dir"] = str(flags.output_dir)
    return read_recipe(flags.config, flags.set, named)


def begin(run: Run, warnings: tuple[str, ...], quiet: bool) -> None:
    """The folder, the settings as resolved, and what is trained at which rate."""
    if not run.launch.first:
        return
    run.out.mkdir(parents=True, exist_ok=True)
    (run.out / "config.yaml").write_text(yaml.safe_dump(resolved(run.config), sort_keys=False), encoding="utf-8")
    if run.config.report_to:
        run.log.accelerator.init_trackers("image-harness", {})
    if not quiet:
        for line in [*learning_rates(run), *(f"warning: {warning}" for warning in warnings)]:
            print(line, file=sys.stderr)


def finish(run: Run, why: str) -> int:
    """The curves, and a summary of how training went; 3 where understanding was lost or may have been."""
    run.log.plot()
    if run.config.report_to:
        run.log.accelerator.end_training()
    if not run.launch.first:
        return DONE
    history = run.progress.history
    summary = {"ended": why, "updates": run.progress.step, "held_out": history}
    write_json(run.out / "training.json", json.loads(json.dumps(summary).replace("-Infinity", "null")))
    print(f"{why} after {run.progress.step} updates; {run.out}")
    if len(history) > 1:
        print(f"held out: {history[0]['held_out']:.3f} before, {history[-1]['held_out']:.3f} now")
    return last_gate(run)


def last_gate(run: Run) -> int:
    """Prints what the last evaluation says of understanding, where it was asked."""
    last = sorted((run.out / "held_out").glob("step-*/results.json"))
    understanding = read_object(last[-1])["understanding"] if last and run.config.held_out.regress else None
    for line in told(understanding or {}):
        print(f"understanding {line}")
    return GATE if failed(understanding) else DONE
