"""The seal of a finished run: hashes of its files and of its record, so that an edit by hand is told, not believed.

A seal proves nothing against somebody who makes a new one; it tells a slip, a merge gone wrong, a corrected figure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.ending import Damaged
from harness.identity import hash_of

SEALED = re.compile(r"(samples|verdicts(\.[0-9a-f]+)?|understanding|questions)\.jsonl|results(\.[0-9a-f]+)?\.json")
"""Files of a run folder that figures come from, or that say what was asked."""
BLOCK = 1 << 20


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def sealed_files(folder: Path) -> dict[str, str]:
    """The hash of every file of rows and results that is there."""
    return {path.name: file_hash(path) for path in sorted(folder.iterdir()) if SEALED.fullmatch(path.name)}


def sealed(run: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """run.json with the hashes of the folder's files, and over all of it a hash of its own."""
    content = {**{name: value for name, value in run.items() if name != "seal"}, "files": sealed_files(folder)}
    return {**content, "seal": hash_of(content)}


def check_seal(run: Mapping[str, Any], folder: Path) -> None:
    """Damaged names the first file that is not as the run left it."""
    if "seal" not in run:
        raise Damaged(
            f"{folder} has no seal, so nothing shows that its rows are those of the run; finish the run first"
        )
    content = {name: value for name, value in run.items() if name != "seal"}
    if hash_of(content) != run["seal"]:
        raise Damaged(f"{folder}/run.json was changed after the run: its seal does not match; nothing was read from it")
    for name, digest in run["files"].items():
        path = folder / name
        if not path.is_file():
            raise Damaged(f"{path} is missing; the run had written it")
        if file_hash(path) != digest:
            raise Damaged(f"{path} was changed after the run: its hash does not match; nothing was read from it")
