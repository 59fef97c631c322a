"""Largest difference between our outputs and those of the official BAGEL code: `python -m benchmarks.parity`."""

from __future__ import annotations

import os
from pathlib import Path

from harness.bagel.reference import Reference

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parent.parent.parent / "shared"))


def main() -> None:
    """Prints one line an output."""
    folder = SHARED / "fixtures" / "bagel_reference"
    if not folder.is_dir():
        print(f"no reference outputs in {folder}; name the folder that holds them in HARNESS_SHARED")
        return
    reference = Reference(folder)
    print(f"{'output':45} {'shape':>18} {'max error':>10}")
    for name, ours in reference.outputs().items():
        theirs = reference.expected[name]
        error = (ours.double() - theirs.double()).abs().max().item()
        print(f"{name:45} {tuple(theirs.shape)!s:>18} {error:10.2e}")


if __name__ == "__main__":
    main()
