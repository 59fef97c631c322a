"""The tables of a board in words: one for each ranking, its tags, and what others have published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.protocol import shown_task
from harness.table import figure
from leaderboards.ranking import Line, Ranking
from leaderboards.record import Record, decimals, line_record
from leaderboards.reported import Reported

NONE = "-"
Bar = tuple[float, float, float]
"""Where an interval begins, the figure and where the interval ends, in percent of the range."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table in words; every form of a board prints the same cells."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    """Heads of the columns that hold words, not numbers"""
    bars: tuple[Bar | None, ...] = ()
    """One a row, for a page that can draw; none for a table without figures to draw"""


WORDS = frozenset(
    {"model", "run", "letters", "verifier", "gate", "date", "trained on", "overlap", "reward verifier", "guards",
     "understanding"}
)  # fmt: skip


def sheets(found: Sequence[Ranking], reported: Sequence[Reported], brief: bool = False) -> list[Sheet]:
    """All tables in their order; `brief` leaves out what a terminal has no room for."""
    told: list[Sheet] = []
    for ranking in found:
        told.append(ranking_sheet(ranking, brief))
        if not brief and ranking.lines[0].entry.content["tags"]:
            told.append(tag_sheet(ranking))
    return told + [reported_sheet(one) for one in reported]


def ranking_sheet(ranking: Ranking, brief: bool) -> Sheet:
    """One table of runs that agree."""
    headline = ranking.lines[0].entry.headline
    found = [line_record(line) for line in ranking.lines]
    places = decimals(headline["range"])
    arrow = "↑" if headline["higher_is_better"] else "↓"
    columns = {f"{headline['name']} {arrow}" if name == "value" else name: name for name in shown(found, brief)}
    rows = tuple(tuple(cell(one, name, places) for name in columns.values()) for one in found)
    bars = tuple(bar(line) for line in ranking.lines)
    return Sheet(title_of(ranking), tuple(columns), rows, notes(ranking, found), WORDS, bars)


def shown(found: Sequence[Record], brief: bool) -> list[str]:
    """The columns that say something."""
    names = ["rank", "model", "run", "value", "95 %", "letters", "n", "coverage", "worst-best"]
    if brief:
        return [*names, "date"]
    names += ["verifier", "gate", "date", "trained on", "overlap"]
    if any(one["reward_verifier"] for one in found):
        names += ["reward verifier", "guards"]  # a picture that games its reward shows there first
    return [*names, "understanding"] if any(one["understanding"] for one in found) else names


def cell(one: Record, name: str, places: int) -> str:
    """One cell in words; a dash where nothing is known."""
    known = one["low"] is not None
    told = {
        "rank": str(one["rank"] or NONE),
        "model": one["model"],
        "run": one["folder"],
        "value": number(one["value"], places),
        "95 %": f"[{number(one['low'], places)}, {number(one['high'], places)}]" if known else NONE,
        "letters": one["letters"],
        "n": f"{one['prompts']} x {one['images'] // one['prompts']}",
        "coverage": "{:.1%}".format(one["coverage"]),
        "worst-best": f"{number(one['worst'], places)}-{number(one['best'], places)}",
        "verifier": verifier(one),
        "gate": one["combine"],
        "date": one["date"],
        "trained on": one["trained_on"],
        "overlap": one["prompt_overlap"],
        "reward verifier": f"{one['reward_verifier']} (self-verified)"
        if one["self_verified"]
        else one["reward_verifier"],
        "guards": one["guards"],
        "understanding": one["understanding"],
    }
    return told[name] or NONE


def number(value: float | None, places: int) -> str:
    """A figure with so many decimals, a dash where there is none."""
    return NONE if value is None else f"{value:.{places}f}"


def verifier(one: Record) -> str:
    """Who was asked for, and who answered where that is another name."""
    asked, served = one["verifier_requested"], one["verifier_served"]
    return str(asked) if asked == served or not served else f"{asked} (served {served})"


def title_of(ranking: Ranking) -> str:
    """`scenes@1 evaluation`"""
    facts = ranking.facts
    return f"{shown_task(facts['task'], facts.get('protocol', ''))}@{facts['version']} {facts['split']}".rstrip()


def notes(ranking: Ranking, found: Sequence[Record]) -> tuple[str, ...]:
    """What all rows share, what the letters rest on, and why rows have no rank."""
    facts, one = ranking.facts, found[0]
    lines = [f"not ranked with the table above: {ranking.apart}"] if ranking.apart else []
    missing = "" if facts["missing"] == "exclude" else f"; missing values: {facts['missing']}"
    shared = f"verifier {verifier(one)}; {one['combine']}; headline {facts['headline']}{missing}; seed {facts['seed']}"
    lines.append(f"all rows: {shared}; reward id {facts['reward id']}")
    if ranking.comparisons:
        tests = f"{ranking.comparisons} paired test{'s' if ranking.comparisons > 1 else ''}"
        lines.append(f"rows that share a letter are not told apart ({tests} over prompts, Holm, .05)")
    lines += [f"{each['model']} has no rank: {each['reason']}" for each in found if each["reason"]]
    return tuple(lines)


def bar(line: Line) -> Bar | None:
    """Where the figure and its interval lie in the range."""
    told, (low, high) = line_record(line), line.entry.headline["range"]
    if told["low"] is None:
        return None
    begin, middle, end = (100.0 * (told[name] - low) / (high - low) for name in ("low", "value", "high"))
    return begin, middle, end


def tag_sheet(ranking: Ranking) -> Sheet:
    """The figure under each tag; where values are missing, how many there are."""
    tags = list(ranking.lines[0].entry.content["tags"])
    rows = []
    for line in ranking.lines:
        found = line.entry.content["tags"]
        rows.append((line.entry.content["label"], *(tag_cell(found.get(tag)) for tag in tags)))
    return Sheet(f"{title_of(ranking)}, by tag", ("model", *tags), tuple(rows), words=WORDS)


def tag_cell(found: Mapping[str, Any] | None) -> str:
    """`0.624 ± 0.051`, with `(18/20)` where values are missing."""
    whole = found is None or found["scored"] == found["planned"]
    return figure(found) if whole or found is None else f"{figure(found)} ({found['scored']}/{found['planned']})"


def reported_sheet(table: Reported) -> Sheet:
    """A published table, with where it is from."""
    source = table.source
    where = ", ".join(filter(None, (source["title"], source.get("date", ""), source["url"])))
    lines = [f"reported by {where}; never ranked with runs of ours", f"items: {table.set}; judge: {table.judge}"]
    rows = tuple((model, *(NONE if one is None else f"{one:g}" for one in values)) for model, values in table.rows)
    told = (*lines, table.note) if table.note else tuple(lines)
    return Sheet(f"{table.task}, reported", ("model", *table.columns), rows, told, WORDS)
