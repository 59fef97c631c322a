"""What refinement did, as a run prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_refinement(console: Console, found: Mapping[str, Any]) -> None:
    """The figures before and after, what was mended and broken, and the extra cost."""
    console.print(f"\n{found['label']}: all pictures as they were first drawn, and as they are")
    table = Table()
    for name in ("figure", "before", "after", "difference [95 %]", "p"):
        table.add_column(name, justify="left" if name == "figure" else "right", no_wrap=True)
    for one in found["figures"]:
        p = one["difference"]["p"]
        cells = (f"{one['before']['value']:.3f}", f"{one['after']['value']:.3f}", told(one["difference"]))
        table.add_row(one["name"], *cells, "< .001" if p < 0.001 else f"{p:.3f}")
    console.print(table)
    right, refined, cost = found["right"], found["refined"], found["cost"]
    share = refined["share"]["value"]
    console.print(
        f"refined {refined['count']} of {found['images']} images"
        + (f" ({share:.3f})" if share is not None else "")
        + f"; of {right['known']} with both scores {right['before']} were right before and {right['after']} are after:"
        f" {right['repaired']} repaired, {right['broken']} broken"
    )
    if found["gate"] == "oracle":
        console.print("the gate is the benchmark's own scorer: an upper bound, no result")
    if cost["forwards_per_image"] is not None:
        console.print(
            f"extra cost: {cost['forwards_per_image']:.1f} forward passes an image,"
            f" {cost['seconds']:.1f} of {cost['seconds_of_all']:.1f} seconds"
        )


def told(difference: Mapping[str, Any]) -> str:
    """`-0.041 [-0.070, -0.012]`."""
    around = difference["ci"]
    ends = f" [{around['low']:+.3f}, {around['high']:+.3f}]" if around else ""
    return f"{difference['value']:+.3f}{ends}"
