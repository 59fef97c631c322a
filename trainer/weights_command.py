"""harness export weights: a checkpoint as files that other programs load, with its card, to a folder or the hub."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from harness.ending import DONE, SaveError
from harness.hub import check_repository, list_files, send
from trainer.export_weights import Form, form_of, write_weights
from trainer.model_card import card_of, facts_of
from trainer.stored_policy import StoredPolicy, open_policy, split_step


@dataclass(frozen=True)
class WeightsFlags:
    """Write the weights of a training run as diffusers, peft and BAGEL's own code load them."""

    run: Annotated[str, tyro.conf.Positional]
    """Folder of a training run, with @STEP behind it for a checkpoint that is not the newest."""
    form: Form = "auto"
    """adapter writes what was added, merged the whole weights with it; auto takes the adapter where there is one."""
    use_ema: bool = False
    """The averaged weights instead of the live ones."""
    output_path: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """New or empty folder; RUN/export/step-STEP-FORM when not given."""
    hub: str = ""
    """OWNER/NAME on the hub that the files are sent to as well."""
    private: bool = False
    """Whether a repository that is made is private."""
    dry_run: bool = False
    """Write the folder, show the files, and send nothing."""


def main(arguments: list[str]) -> int:
    """Runs `harness export weights`; gives the exit code."""
    flags = tyro.cli(WeightsFlags, args=arguments, prog="harness export weights")
    if flags.hub:
        check_repository(flags.hub, "--hub ")
    run, step = split_step(flags.run)
    stored = open_policy(run, step, flags.use_ema)
    form = form_of(stored, flags.form)
    tail = "-ema" if flags.use_ema else ""
    out = flags.output_path or run / "export" / f"step-{stored.step:06d}-{form}{tail}"
    export(stored, run, form, out, flags.hub or out.name)
    files = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    print(
        "\n".join(list_files(files, f"hub:{flags.hub}" if flags.hub else str(out), flags.dry_run and bool(flags.hub)))
    )
    if flags.hub and not flags.dry_run:
        print(send(files, flags.hub, "model", flags.private, f"{stored.name}: {form}, {len(files)} files"))
    return DONE


def export(stored: StoredPolicy, run: Path, form: Form, out: Path, place: str) -> None:
    """Writes weights and card into a folder that appears when all of it is there; SaveError if the disk refuses."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an empty folder; choose another --output-path")
    new = out.parent / f".{out.name}.new"
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        write_weights(stored, new, form)
        (new / "README.md").write_text(card_of(stored, run, form, place), encoding="utf-8")
        (new / "training.json").write_text(facts_of(stored, run, form), encoding="utf-8")
        if out.exists():
            out.rmdir()
        new.rename(out)
    except OSError as error:
        raise SaveError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
