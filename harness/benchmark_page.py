"""docs/benchmarks.md: written from the cards and docstrings of the tasks, so that it cannot say what they do not do.

`python -m harness.benchmark_page` writes it again.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from tasks.card import Card
from tasks.registry import TASKS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
INTRODUCTION = """# Benchmarks

This page is written by `python -m harness.benchmark_page` from the tasks themselves.

    harness eval --task wise-verified --model folder --model-args path=my_images --verifier http
    harness ls tasks --json      # licence, counts, kind, judge, images a prompt, calls of a full run
    harness validate dsg         # its files, its questions, one sample end to end, and what is odd about its data

The package holds no benchmark's data. They are looked for in the folder of `--data` (or `HARNESS_DATA`), which holds a
folder for each benchmark, then in the cache; when online, a file is downloaded at the commit named below and checked
against its SHA-256. Where a licence does not allow redistribution, say `--accept-licence FOLDER` once you have read it.
A file with other counts is refused; `--task-args any_version=true` runs on it under a version of its own.

Unscored is not zero: a missing image or a reply that cannot be read has no value. Coverage stands beside every figure,
for every tag; a headline over tags has no value while one of its tags has none. The figure `strict` counts every
unscored item 0. Our rule is the default; `official=true` reproduces faults that published figures depend on, and is
part of the reward's id, as are `plain_mean`, `per_image` and `before_2026_04`.

Editing benchmarks take source images from `--task-args images=FOLDER`, or from the hub with `images=hub` and
`--accept-licence`. Wordings for judges are in `reward/prompts/`, unless a benchmark's own files hold them.

OneIG-Bench's diversity is no figure of single pictures, so it is told of finished runs: the mean distance of the pairs
of pictures of a prompt, over all prompts of all categories. The published figures are by DreamSim; with any other
encoder, which stands beside the figure, it is one of its own.

```sh
harness diversity runs/oneig-alignment runs/oneig-text runs/oneig-reasoning --pretrained facebook/dinov2-base
harness eval --task oneig-style --model folder --model-args path=my_images --verifier style \\
  --verifier-args pretrained=openai/clip-vit-large-patch14,references=style_pictures
```

`make proof` recomputes published figures from their own columns (`benchmarks/published.py`); tables of published
figures with their sources are in `leaderboards/boards/reported/`.

"""
HEADS = ("task", "benchmark", "kind", "reading", "combining", "headline", "prompts x images", "calls", "data licence",
         "free to redistribute")  # fmt: skip


def cards() -> dict[str, Card]:
    """The card of every task that has one, by the task's name; nothing but the tasks' modules is imported."""
    found = {name: vars(importlib.import_module(module)).get("CARD") for name, module in TASKS.items()}
    return {name: card for name, card in found.items() if isinstance(card, Card)}


def told(card: Card) -> dict[str, Any]:
    """A card as `harness ls tasks --json` prints it."""
    origin = card.origin
    return {
        "title": card.title,
        "kind": card.kind,
        "reading": card.reading,
        "combining": card.combining,
        "headline": card.headline,
        "judge": card.judge,
        "prompts": card.prompts,
        "images_per_prompt": card.images,
        "images": card.prompts * card.images,
        "calls": card.calls or None,
        "licence": origin.licence,
        "free_to_redistribute": origin.free,
        "data": f"github.com/{origin.repository} at {origin.commit[:7]}",
        "folder": origin.folder,
    }


def page() -> str:
    """The whole page."""
    found = cards()
    rows = [cells(name, card) for name, card in found.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (HEADS, ("---",) * len(HEADS), *rows))
    return INTRODUCTION + table + "\n" + "".join(section(name, card) for name, card in found.items())


def cells(name: str, card: Card) -> tuple[str, ...]:
    """One row of the table."""
    calls = f"{card.calls:,}" if card.calls else "by the questions"
    free = "yes" if card.origin.free else "**no**"
    size = f"{card.prompts:,} x {card.images}"
    words = (card.title, card.kind, card.reading, card.combining, card.headline, size, calls, card.origin.licence, free)
    return (f"`{name}`", *words)


def section(name: str, card: Card) -> str:
    """What a task says of itself, where its data come from, and its arguments."""
    module = importlib.import_module(TASKS[name])
    text = (module.__doc__ or "").partition(": ")[2].strip()
    first, _, rest = text.partition("\n")
    origin = card.origin
    source = (
        f"Data: `{origin.folder}/`, from github.com/{origin.repository} at {origin.commit[:7]}. Judge: {card.judge}."
    )
    lines = [f"- `{field}` ({default}): {words}" for field, default, words in arguments_of(module.__name__)]
    parts = [f"## {name}", f"{first[:1].upper()}{first[1:]}", rest.strip(), source, "\n".join(lines)]
    return "\n" + "\n\n".join(filter(None, parts)) + "\n"


def arguments_of(module: str) -> list[tuple[str, str, str]]:
    """Name, default and docstring of every argument of a task."""
    loaded = importlib.import_module(module)
    words = docstrings(Path(str(loaded.__file__)))
    found = []
    for one in fields(loaded.Arguments):
        default = "needed" if one.default is MISSING else shown(one.default)
        found.append((one.name, default, words.get(one.name, "")))
    return found


def shown(default: object) -> str:
    """A default as a user would write it."""
    if default is None or default == "":
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def docstrings(path: Path) -> Mapping[str, str]:
    """The docstring after each field of a file's dataclass `Arguments`."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == "Arguments":
            for one, after in zip(node.body, node.body[1:], strict=False):
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(after, ast.Expr):
                    found[one.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
