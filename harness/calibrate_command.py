"""harness calibrate: holds a verifier to pictures about which the truth is known, or to people's ratings."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from harness.ending import DONE, GATE, OUTAGE
from harness.eval_config import CACHE_FLAGS, EvalConfig
from harness.json_lines import json_line, replace_text, write_json
from harness.known import KnownSet, known_file, known_scenes
from harness.offline import forbid_connections
from harness.settings import with_value
from reward.ability import check_able
from reward.cache import default_folder
from reward.verifier import Verifier
from tasks.registry import unknown

Alias = tyro.conf.arg
RATED = ("genai-bench", "dsg", "tifa")
SETS = ("scenes", *RATED)


@dataclass(frozen=True)
class CalibrateConfig:
    """Ask a verifier what is known, and tell how far to believe it."""

    verifier: str = "pixels"
    """A name printed by `harness ls verifiers`, or a dotted module."""
    verifier_args: str = ""
    """Arguments of the verifier."""
    against: Annotated[str, Alias(aliases=["-t", "--task"])] = "scenes"
    """scenes (rendered here, truth known); genai-bench, dsg or tifa, people's ratings of --images; or a JSONL file of
    image, question, and truth or rating."""
    images: Path | None = None
    """Rated pictures, FOLDER/MODEL/ID.png, as the ratings name them."""
    count: int = 60
    """Rendered scenes, about 14 questions each; or rated pictures at most, 0 for all of them."""
    seed: int = 0
    """Decides the scenes."""
    disturb: str = "again,order,jpeg,resize"
    """What is asked a second time under a change that leaves the truth alone; none with an empty text."""
    min_accuracy: Annotated[float | None, Alias(aliases=["--require-calibration"])] = None
    """Exit 3 unless so large a share of all questions is answered rightly; unanswered ones are not."""
    output_path: Annotated[Path | None, Alias(aliases=["-o"])] = None
    """Folder of the report. runs/calibration-VERIFIER when not given."""
    max_calls: int | None = None
    """Ask the verifier no more than so many times."""
    max_cost: float | None = None
    """Spend no more than this, by price_in= and price_out= of --verifier-args."""
    use_cache: Annotated[Path | None, Alias(aliases=["-c"])] = None
    """Folder where replies are kept and found again."""
    data: Path | None = None
    """Folder of benchmark data, for ratings."""
    offline: bool = False
    """Refuse every connection."""
    json: bool = False
    """Print the report as JSON."""
    verbosity: Annotated[Literal["normal", "quiet"], Alias(aliases=["-v"])] = "normal"
    """quiet shows no progress."""


def main(arguments: list[str]) -> int:
    """Asks, measures, writes the report; 3 below the floor, 4 when the verifier answered too little."""
    config = tyro.cli(CalibrateConfig, args=with_value(arguments, CACHE_FLAGS, str(default_folder())),
                      prog="harness calibrate")  # fmt: skip
    names = check(config)
    if config.offline:
        forbid_connections()
    from harness.examination import examine, report_lines

    known = known_set(config)
    verifier = opened(config)
    if known.task is None:
        check_able(verifier, "words", "harness calibrate")
    if config.verbosity != "quiet":
        print(f"asking {len(known.asked)} questions, and again under: {', '.join(names) or 'no change'}",
              file=sys.stderr)  # fmt: skip
    report, rows = examine(verifier, known, names)
    folder = config.output_path or Path("runs") / f"calibration-{config.verifier}".replace("/", "_")
    write_report(folder, report, rows)
    print(json.dumps(report, indent=1, sort_keys=True) if config.json else "\n".join(report_lines(report, folder)))
    return verdict(config, report)


def check(config: CalibrateConfig) -> list[str]:
    """The changes asked for; ValueError for what does not exist or does not fit."""
    from harness.disturbance import DISTURBANCES

    if config.against not in SETS and not config.against.endswith(".jsonl"):
        raise ValueError(unknown("set of known answers", config.against, [*SETS, "FILE.jsonl"]))
    if (config.images is None) == (config.against in RATED):
        raise ValueError(
            f"--images goes with people's ratings ({', '.join(RATED)}); " + f"--against {config.against} " +
            ("needs it: FOLDER/MODEL/ID.png" if config.images is None else "brings its own pictures")
        )  # fmt: skip
    if config.count < 0 or (config.count == 0 and config.against == "scenes"):
        raise ValueError(f"--count is a number of pictures, not {config.count}")
    if config.min_accuracy is not None and not 0.0 < config.min_accuracy <= 1.0:
        raise ValueError(f"--min-accuracy must lie between 0 and 1, not {config.min_accuracy:g}")
    names = [one.strip() for one in config.disturb.split(",") if one.strip()]
    for one in names:
        if one not in DISTURBANCES:
            raise ValueError(unknown("change that leaves the truth alone", one, DISTURBANCES))
    return names


def known_set(config: CalibrateConfig) -> KnownSet:
    """What is known."""
    if config.against == "scenes":
        return known_scenes(config.count, config.seed)
    if config.against.endswith(".jsonl"):
        return known_file(Path(config.against))
    from harness.rated import rated_pictures

    assert config.images is not None  # noqa: S101 - `check` has seen to it
    return rated_pictures(config.against, config.images, config.data, config.count)


def opened(config: CalibrateConfig) -> Verifier:
    """The verifier, within its budget and before the cache where these are given."""
    from harness.job import open_verifier

    names = {one.name for one in fields(EvalConfig)} & {one.name for one in fields(CalibrateConfig)}
    own = {name: getattr(config, name) for name in names}
    return open_verifier(replace(EvalConfig(), **own), config.verifier)


def write_report(folder: Path, report: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """calibration.json, answers.jsonl, and the diagram where matplotlib is installed."""
    from harness.reliability import draw_reliability
    from harness.run_folder import RunStore

    RunStore(folder).probe()
    write_json(folder / "calibration.json", report)
    replace_text(folder / "answers.jsonl", "".join(json_line(row) for row in rows))
    draw_reliability(report, folder / "reliability.png")


def verdict(config: CalibrateConfig, report: Mapping[str, Any]) -> int:
    """The exit code, with the reason told on stderr."""
    if not report["answered"]:
        print("harness: the verifier answered none of the questions", file=sys.stderr)
        return OUTAGE
    if config.min_accuracy is None:
        return DONE
    if report["rated"]:
        raise ValueError("--min-accuracy needs true answers, and these are ratings")
    if report["right"] >= config.min_accuracy:
        return DONE
    print(f"harness: {report['right']:.1%} of the questions are answered rightly, below the floor of "
          f"{config.min_accuracy:.0%}", file=sys.stderr)  # fmt: skip
    return GATE
