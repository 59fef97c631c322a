"""The tables at the head of a report: what was run, figures by tag, two runs compared, questions and how they fare."""

from __future__ import annotations

from collections.abc import Sequence

from harness.change import judged
from harness.stored_run import StoredRun
from harness.table import figure_rows
from leaderboards.contrast import Contrast, contrast
from leaderboards.contrast_table import change_row, notes
from leaderboards.entry import label_of
from leaderboards.pass_rate import PassRate
from leaderboards.sheet import NONE, Sheet

ALPHA = 0.05
MOST_RATES = 200
"""Kinds of questions in the table; those that are missed most often."""
WORDS = frozenset({"tag", "figure", "gate", "question"})


def fact_list(stored: StoredRun) -> list[tuple[str, str]]:
    """What was run, in words."""
    run, results = stored.run, stored.results
    served = ", ".join(f"{one['id']} ({one['count']:,})" for one in run["verifier"]["served"])
    coverage = results["coverage"]
    told = [f"{coverage[kind]['ok']}/{coverage[kind]['planned']} {kind}" for kind in ("images", "questions")]
    facts = [
        ("run", stored.path.as_posix()),
        ("task", f"{stored.name}, {results['n']['prompts']} prompts x {run['task']['images_per_sample']} images"),
        ("model", label_of(run)),
        ("verifier", f"{run['verifier']['id']}, answered by {served or 'nobody'}"),
        ("reward", f"{run['reward']['id']}, {run['reward'].get('combine') or run['reward'].get('kind')}"),
        ("coverage", ", ".join(told)),
        ("ended", str(run["ended"])),
    ]
    return facts + ([("headline", f"withheld: {results['withheld']}")] if results["withheld"] else [])


def tags_sheet(stored: StoredRun) -> Sheet:
    """Every figure under every tag and over all."""
    names = [one["name"] for one in stored.results["metrics"]]
    rows = [tuple(row) for section in figure_rows(stored.run, stored.results) for row in section]
    told = "intervals are 95 %, clustered by prompt; what has no value is left out and counted under `scored`"
    return Sheet(f"Figures of {stored.path.resolve().name}", ("tag", "scored", *names), tuple(rows), (told,), WORDS)


def compared(before: StoredRun, after: StoredRun) -> list[Sheet]:
    """The paired table, or why there is none; then the figures of each."""
    sides = [tags_sheet(one) for one in (before, after)]
    try:
        found = contrast(before, after)
    except ValueError as reason:  # two views of the same pictures may be looked at though no figure may be compared
        return [Sheet("Not compared", (), (), (str(reason),)), *sides]
    return [paired_sheet(found), *sides]


def paired_sheet(found: Contrast) -> Sheet:
    """The difference of the headline with its test, and of each tag."""
    (headline,) = judged([found.headline], None)
    heads = ("figure", "prompts", "before", "after", "difference [95 %]", "p", "Holm p")
    rows = tuple(tuple(change_row(one, ALPHA)[: len(heads)]) for one in (headline, *found.tags))
    return Sheet("After against before", heads, rows, tuple(notes(found)), WORDS)


def rates_sheet(rates: Sequence[PassRate], names: Sequence[str]) -> Sheet:
    """How often each kind of question is met: a column a run."""
    heads = ("question", *(f"met, {name}" for name in names), *(f"answered, {name}" for name in names))
    rows = []
    for one in rates[:MOST_RATES]:
        shares = [NONE if share is None else f"{share:.1%}" for share in one.shares]
        answered = [f"{count:,}/{asked:,}" for count, asked in zip(one.answered, one.asked, strict=True)]
        rows.append((one.kind, *shares, *answered))
    told = f"the {MOST_RATES} that are missed most often, of {len(rates)}" if len(rates) > MOST_RATES else ""
    return Sheet("Questions", heads, tuple(rows), (told,) if told else (), WORDS)
