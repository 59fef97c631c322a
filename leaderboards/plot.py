"""Plots of finished runs: bars by tag, a radar, curves of training, coverage, reliability. Readable in grey."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from harness.extra import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from leaderboards.pass_rate import Reliability

Results = Mapping[str, Any]
GREYS = ("#222222", "#9a9a9a", "#5c5c5c", "#cfcfcf")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
LINES = ("-", "--", ":", "-.")
MARKS = ("o", "s", "^", "D", "v", "x")
STABLE = {"svg.hashsalt": "image-harness", "svg.fonttype": "none", "font.size": 9.0}
"""The same figure gives the same bytes, and its words stay words."""


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches, with no window behind it."""
    figures = extra("matplotlib.figure", "boards")
    made: Figure = figures.Figure(figsize=(width, height), layout="constrained")
    extra("matplotlib.backends.backend_agg", "boards").FigureCanvasAgg(made)
    return made


def drawn(figure: Figure, form: str) -> bytes:
    """A figure as png or svg; the same figure gives the same bytes."""
    file = io.BytesIO()
    with extra("matplotlib", "boards").rc_context(STABLE):
        figure.savefig(file, format=form, dpi=130, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()


def headline_tags(results: Results) -> dict[str, Mapping[str, Any]]:
    """The headline's figure under each tag, where it has one."""
    name = results["metrics"][0]["name"]
    return {one["key"]: one for one in results["groups"] if one["by"] == "tag" and one["name"] == name}


def tag_bars(runs: Mapping[str, Results]) -> Figure:
    """The headline of each run under every tag and over all, with intervals; a tag without a value has no bar."""
    tags = list(dict.fromkeys(tag for one in runs.values() for tag in headline_tags(one)))
    names, width = [*tags, "all"], 0.8 / len(runs)
    figure = canvas(max(4.5, 0.55 * len(names) * (0.6 + 0.4 * len(runs))), 3.2)
    axes = figure.add_subplot()
    for place, (run, results) in enumerate(runs.items()):
        found = {**headline_tags(results), "all": results["metrics"][0]}
        there = [(number, found[name]) for number, name in enumerate(names) if value_of(found.get(name)) is not None]
        axes.bar(
            [number + (place - (len(runs) - 1) / 2) * width for number, _ in there],
            [one["value"] for _, one in there], width, label=run, yerr=errors([one for _, one in there]), capsize=2,
            color=GREYS[place % len(GREYS)], hatch=HATCHES[place % len(HATCHES)], edgecolor="black", linewidth=0.5,
            error_kw={"linewidth": 0.8, "ecolor": "black"},
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    first = next(iter(runs.values()))["metrics"][0]
    axes.set_ylim(*first["range"])
    axes.set_ylabel(f"{first['name']}, 95 % intervals")
    legend(axes, len(runs))
    return figure


def value_of(found: Mapping[str, Any] | None) -> float | None:
    """A figure's value, if it has one."""
    return None if found is None else found["value"]


def errors(found: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """How far each interval reaches below and above its value."""
    ends = [(one["value"], one["ci"] or {"low": one["value"], "high": one["value"]}) for one in found]
    below = [max(0.0, value - around["low"]) for value, around in ends]
    return [below, [max(0.0, around["high"] - value) for value, around in ends]]


def legend(axes: Axes, count: int) -> None:
    """Names of the runs above the plot, where there are several."""
    if count > 1:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(3, count), frameon=False)


def radar(runs: Mapping[str, Results]) -> Figure:
    """The headline of each run under the tags that all have, on spokes from the low end of the range to the high."""
    tags = [tag for tag in headline_tags(next(iter(runs.values())))
            if all(value_of(headline_tags(one).get(tag)) is not None for one in runs.values())]  # fmt: skip
    if len(tags) < 3:
        raise ValueError(f"a radar needs at least 3 tags that all runs have a figure for, not {len(tags)}")
    figure = canvas(4.8, 4.8)
    axes: Any = figure.add_subplot(projection="polar")
    angles = [2.0 * math.pi * place / len(tags) for place in range(len(tags) + 1)]
    for place, (run, results) in enumerate(runs.items()):
        values = [headline_tags(results)[tag]["value"] for tag in tags]
        axes.plot(angles, [*values, values[0]], linestyle=LINES[place % len(LINES)], color=GREYS[place % 3],
                  marker=MARKS[place % len(MARKS)], markersize=4, label=run)  # fmt: skip
    axes.set_xticks(angles[:-1], tags)
    axes.tick_params(axis="x", pad=14)
    axes.set_ylim(*next(iter(runs.values()))["metrics"][0]["range"])
    legend(axes, len(runs))
    return figure


def coverage_bars(runs: Mapping[str, Results]) -> Figure:
    """Which share of images and of answers has a value, and what became of the rest, a bar a run and kind."""
    rows = [(f"{run}, {kind}", one) for run, results in runs.items()
            for kind, one in results["by_status"].items() if sum(one.values())]  # fmt: skip
    figure = canvas(6.0, 0.8 + 0.38 * len(rows))
    axes = figure.add_subplot()
    statuses = sorted({status for _, one in rows for status in one}, key=lambda status: (status != "ok", status))
    left = [0.0] * len(rows)
    styles = cycle(zip(("#dddddd", "#222222", "#888888", "#ffffff", "#555555"), HATCHES, strict=False))
    for status, (colour, hatch) in zip(statuses, styles, strict=False):
        shares = [one.get(status, 0) / sum(one.values()) for _, one in rows]
        axes.barh(range(len(rows)), shares, left=left, label=status, color=colour, hatch=hatch, edgecolor="black",
                  linewidth=0.5)  # fmt: skip
        left = [before + share for before, share in zip(left, shares, strict=True)]
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("share")
    legend(axes, max(2, len(statuses)))
    return figure


def reliability_diagram(found: Reliability) -> Figure:
    """Mean p(yes) of each bin against how often yes is true, and how many answers each bin holds."""
    figure = canvas(4.0, 4.2)
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    means, shares, counts = zip(*found.bins, strict=True)
    upper.plot([0.0, 1.0], [0.0, 1.0], color="#999999", linestyle=":", linewidth=1.0)
    upper.plot(means, shares, color="black", marker="o", linewidth=1.0)
    upper.set_ylabel("share of true yes")
    upper.set_ylim(-0.03, 1.03)
    upper.set_title(f"calibration error {found.error:.3f}, accuracy {found.accuracy:.3f}, {found.answers:,} answers")
    lower.bar(means, counts, width=0.06, color="#888888", edgecolor="black", linewidth=0.5)
    lower.set_ylabel("answers")
    lower.set_xlabel("p(yes)")
    lower.set_xlim(0.0, 1.0)
    return figure
