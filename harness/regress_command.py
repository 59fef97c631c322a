"""harness regress: what a model understands, through lm-eval; against an earlier measurement with a gate."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from harness.ending import DONE, GATE, SaveError
from harness.left_clean import left_clean

if TYPE_CHECKING:
    from harness.change import Change


@dataclass(frozen=True)
class RegressConfig:
    """Measure text and vision understanding, a value a document, and compare it where there is an earlier one."""

    model: Annotated[str, tyro.conf.arg(aliases=["-M"])] = "tiny"
    """tiny, bagel, run:FOLDER@STEP, or a model of lm-eval such as hf or hf-multimodal."""
    model_args: Annotated[str, tyro.conf.arg(aliases=["-a"])] = ""
    """Arguments of the model: `weights=FOLDER`, or for hf `pretrained=FOLDER`."""
    task: Annotated[str, tyro.conf.arg(aliases=["-t", "--tasks"])] = "scenes-vqa"
    """scenes-vqa, files of questions and answers (.jsonl), or tasks of lm-eval; several with commas between them."""
    output_path: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/understanding")
    """Folder that understanding.jsonl is written to; it may be a run folder."""
    against: Path | None = None
    """A folder with an earlier understanding.jsonl: the same documents are compared."""
    margin: float = 1.0
    """Points that may be lost at most: exit 3 unless that is shown for every task."""
    limit: Annotated[int | None, tyro.conf.arg(aliases=["-L"])] = None
    """Only the first documents of each task."""
    include_path: tuple[Path, ...] = ()
    """Folders with tasks of your own in lm-eval's YAML; naming one can run code, so --allow-task-code is needed."""
    allow_task_code: bool = False
    """Let the tasks of --include-path import Python."""
    device: str = "cpu"
    """Torch device of the model."""


def main(arguments: list[str]) -> int:
    """Measures, writes, prints; 3 when a gate is not passed."""
    config = tyro.cli(RegressConfig, args=arguments, prog="harness regress")
    if config.margin <= 0.0:
        raise ValueError(f"--margin must be above 0 points, not {config.margin}")
    if config.limit is not None and config.limit < 1:
        raise ValueError(f"--limit must be at least 1 document, not {config.limit}")
    if config.include_path and not config.allow_task_code:
        raise ValueError("a task of --include-path can import Python: say --allow-task-code if you trust the folder")
    for folder in config.include_path:
        if not folder.is_dir():
            raise ValueError(f"--include-path names no folder: {folder}")
    from harness.regression import by_task, read_understanding, write_understanding

    before = read_understanding(config.against) if config.against else []
    if config.against and not before:
        raise ValueError(f"{config.against} holds no understanding.jsonl; `harness regress --output-path` writes one")
    try:
        config.output_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{config.output_path} cannot be written: {error.strerror}") from error
    with left_clean([config.output_path]):
        rows = measured(config)
    write_understanding(config.output_path, rows)
    for name, values in sorted(by_task(rows).items()):
        print(f"{name}: {sum(values.values()) / len(values):.3f} over {len(values)} documents")
    print(f"values: {config.output_path / 'understanding.jsonl'}")
    return judge(before, rows, config.margin) if before else DONE


def measured(config: RegressConfig) -> list[dict[str, Any]]:
    """The rows of all tasks."""
    from harness.model import MODELS
    from harness.understanding import find_task, measure, split, understand

    if config.model.partition(":")[0] not in MODELS:
        with tempfile.TemporaryDirectory() as scratch:
            tasks = [find_task(name, Path(scratch)) for name in split(config.task)]
            return measure(
                config.model, tasks, config.model_args, limit=config.limit, folders=config.include_path,
                device=config.device,
            )  # fmt: skip
    from harness.arguments import parse_arguments
    from harness.assemble import build_model
    from harness.model import Setting

    model = build_model(config.model, parse_arguments(config.model_args), Setting(config.device))
    return understand(model, config.task, config.limit, config.include_path)


def judge(before: list[dict[str, Any]], after: list[dict[str, Any]], margin: float) -> int:
    """Prints each change with its gate."""
    from harness.change import judged
    from harness.regression import changes

    found = judged(changes(before, after), margin)
    if not found:
        raise ValueError("the two measurements have no task in common")
    for one in found:
        print(told(one))
    return DONE if all(one.gate == "passed" for one in found) else GATE


def told(one: Change) -> str:
    """`scenes-vqa exact_match: 0.912 -> 0.905, -0.007 [-0.020, +0.006], Holm p .38: not shown`"""
    around = one.difference.interval
    reach = f" [{around.low:+.3f}, {around.high:+.3f}]" if around else ""
    p = "" if one.adjusted is None else f", Holm p {one.adjusted:.3f}"
    more = f"; about {one.needed:,} documents would settle it" if one.needed else ""
    change = f"{one.before:.3f} -> {one.after:.3f}, {one.difference.value:+.3f}{reach}{p}"
    return f"{one.name}: {change}: {one.gate}{more}"
