"""geneval-rewritten: GenEval's 553 items asked with BAGEL's longer prompts; never one table with geneval.

The published figures (.82, .88) come without their six tags, so there is nothing to reproduce from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tasks import geneval
from tasks.data import Origin
from tasks.task import Task

ORIGIN = Origin(
    "GenEval", "ByteDance-Seed/Bagel", "056b5fd51a88c1eb4547318609e25d40080fcf87", "Apache-2.0", free=True,
    prefix="eval/gen/geneval/",
)  # fmt: skip
CARD = replace(geneval.CARD, title="GenEval, rewritten prompts", origin=ORIGIN)


@dataclass(frozen=True, slots=True)
class Arguments:
    """Where the data are."""

    data: Path | None = None
    """Folder of the data files."""
    any_version: bool = False
    """Whether files with other counts will do."""


def load(arguments: Arguments) -> Task:
    """The task; ValueError says which file is missing or of another version."""
    given = geneval.Arguments(arguments.data, arguments.any_version)
    return geneval.load_file("geneval-rewritten", ORIGIN, "prompts/evaluation_metadata_long.jsonl", given)
