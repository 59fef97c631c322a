"""The report of a run, or of two runs side by side: a folder of HTML that opens from file:// without a server."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.ending import SaveError
from harness.extra import extra
from harness.json_lines import hidden, replace_text
from harness.stored_run import StoredRun
from harness.table import title
from leaderboards.exhibit import LONGEST, Exhibit, exhibits
from leaderboards.form import PAGES
from leaderboards.pass_rate import pass_rates, reliability
from leaderboards.plot import drawn, reliability_diagram, tag_bars
from leaderboards.report_table import compared, fact_list, rates_sheet, tags_sheet
from leaderboards.sheet import Sheet
from leaderboards.thumbnail import drop_others, thumbnails
from reward.secret import secrets

SHARD = 50
"""Pictures in one file of details."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What a report shows beside its runs."""

    truth: StoredRun | None = None
    """A run of the same pictures whose answers are known to be right"""
    drawings: Mapping[str, bytes] = field(default_factory=dict)
    """SVG by name"""
    sheets: Sequence[Path] = ()
    """Pictures of training"""
    title: str = ""


def write_report(runs: Sequence[StoredRun], out: Path, more: Extra) -> Path:
    """Writes the folder and gives its page; runs may be none where only training is shown."""
    try:
        (out / "data").mkdir(parents=True, exist_ok=True)
        for path in (out / "data").glob("*.js"):
            path.unlink()
        for name in ("report.css", "report.js"):
            shutil.copyfile(PAGES / name, out / name)
        sheets = [copy_sheet(path, out) for path in more.sheets]
    except OSError as error:
        raise SaveError(f"the report {out} cannot be written: {error.strerror}") from error
    found = exhibits(runs) if runs else []
    if runs:
        write_data(runs, found, out)
    drawings = {**more.drawings, **drawings_of(runs, found, more.truth)}
    tables = tables_of(runs, found)
    page = render(runs, tables, drawings, sheets, more.title)
    replace_text(out / "index.html", page)
    return out / "index.html"


def copy_sheet(path: Path, out: Path) -> str:
    """A sheet of training beside the page; gives its place."""
    (out / "training").mkdir(exist_ok=True)
    shutil.copyfile(path, out / "training" / path.name)
    return f"training/{path.name}"


def render(
    runs: Sequence[StoredRun], tables: Sequence[Sheet], drawings: Mapping[str, bytes], sheets: Sequence[str], name: str
) -> str:
    """index.html; every text is escaped, drawings are ours."""
    jinja, markup = extra("jinja2", "boards"), extra("markupsafe", "boards")
    environment = jinja.Environment(loader=jinja.FileSystemLoader(PAGES), autoescape=True, trim_blocks=True,
                                    lstrip_blocks=True, undefined=jinja.StrictUndefined)  # fmt: skip
    content = {
        "title": name or " against ".join(title(one.run) for one in runs),
        "facts": [fact_list(one) for one in runs],
        "tables": tables,
        "drawings": [(word, markup.Markup(svg.decode().partition("?>")[2])) for word, svg in drawings.items()],
        "sheets": sheets,
        "pictures": bool(runs),
        "compared": len(runs) > 1,
    }
    return str(environment.get_template("report.html").render(hidden(content, secrets()))) + "\n"


def drawings_of(runs: Sequence[StoredRun], found: Sequence[Exhibit], truth: StoredRun | None) -> dict[str, bytes]:
    """The bars by tag, and where the truth is known the reliability diagram."""
    made: dict[str, bytes] = {}
    names = names_of(runs)
    if any(one.results["metrics"][0]["value"] is not None for one in runs):
        made["By tag"] = drawn(tag_bars(dict(zip(names, (one.results for one in runs), strict=True))), "svg")
    if truth is not None:
        known = reliability(found, exhibits([truth]))
        if known is None:
            raise ValueError(
                f"{truth.path} has no answer about a picture of {runs[0].path}; --truth needs the same pictures"
            )
        made[f"p(yes) against {truth.run['verifier']['name']}"] = drawn(reliability_diagram(known), "svg")
    return made


def names_of(runs: Sequence[StoredRun]) -> list[str]:
    """The folders' names; with their parents' where they are the same."""
    names = [one.path.resolve().name for one in runs]
    return names if len(set(names)) == len(names) else [str(one.path) for one in runs]


def tables_of(runs: Sequence[StoredRun], found: Sequence[Exhibit]) -> list[Sheet]:
    """The paired table of two runs, or one run's figures by tag; then how often each kind of question is met."""
    if not runs:
        return []
    names = names_of(runs)
    first = compared(runs[0], runs[1]) if len(runs) > 1 else [tags_sheet(runs[0])]
    return [*first, rates_sheet(pass_rates(found), names)]


def write_data(runs: Sequence[StoredRun], found: Sequence[Exhibit], out: Path) -> None:
    """The list of all pictures, their details in shards, and the small pictures."""
    where: dict[str, Path] = {}
    for one in found:
        for run, side in zip(runs, one.sides, strict=True):
            for name in (side.get("image"), *(draft for draft, _ in side.get("drafts", ())), *one.sources):
                if name and not name.startswith("absent"):
                    where.setdefault(name, run.path)
    there = thumbnails(where, out / "pictures")
    drop_others(out / "pictures", there)
    for number in range(0, len(found), SHARD):
        rows = [detail(one) for one in found[number : number + SHARD]]
        write_script(out / "data" / f"rows-{number // SHARD:04d}.js", f"receive({number // SHARD}, ", rows, ");")
    whole = {
        **listed(found),
        "shard": SHARD,
        "names": names_of(runs),
        "lost": sorted(set(where) - there),
        "originals": [os.path.relpath(one.path / "images", out) for one in runs],
    }
    write_script(out / "data" / "list.js", "window.REPORT = ", whole, ";")


def detail(one: Exhibit) -> dict[str, Any]:
    """All that is shown of one picture."""
    sample, index = one.key
    return {
        "sample": sample,
        "index": index,
        "prompt": one.prompt,
        "tags": one.tags,
        "sources": one.sources,
        "sides": one.sides,
    }


def listed(found: Sequence[Exhibit]) -> dict[str, Any]:
    """A short row a picture, with names as places in lists: what filters and orders ask for."""
    tags = sorted({tag for one in found for tag in one.tags})
    kinds = sorted({kind for one in found for kind in one.kinds})
    statuses = sorted({status for one in found for status in statuses_of(one)})
    place = [{name: number for number, name in enumerate(some)} for some in (tags, kinds, statuses)]
    rows = []
    for one in found:
        names = ([place[0][tag] for tag in one.tags], sorted(place[1][kind] for kind in one.kinds))
        reasons = sorted(place[2][status] for status in statuses_of(one))
        scores = [side.get("score") for side in one.sides]
        rows.append([*one.key, one.prompt[:LONGEST], *names, reasons, scores, *one.flip[:2]])
    return {"tags": tags, "kinds": kinds, "statuses": statuses, "rows": rows}


def statuses_of(one: Exhibit) -> set[str]:
    """What became of a picture and of the questions about it, on either side."""
    found = {side["status"] for side in one.sides}
    return found | {asked["status"] for side in one.sides for asked in side["questions"] if asked["status"] != "ok"}


def write_script(path: Path, before: str, content: Any, after: str) -> None:
    """Data as a script, since a page from file:// may load nothing else; no text in it can end the script."""
    text = json.dumps(hidden(content, secrets()), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    replace_text(path, before + text.replace("<", "\\u003c") + after + "\n")
