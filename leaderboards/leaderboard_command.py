"""harness leaderboard: boards made of finished runs, shown, written as pages, published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from harness.ending import DONE, SaveError
from tasks.registry import unknown

if TYPE_CHECKING:
    from leaderboards.reported import Reported

Format = Literal["table", "md", "csv", "tex", "html", "json"]


@dataclass(frozen=True)
class ShowConfig:
    """One table for each kind of run that may be ranked together."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, folders of them, training runs or boards."""
    format: Annotated[Format, tyro.conf.arg(aliases=["-f"])] = "table"
    """How it is written: table for a terminal, or Markdown, CSV, LaTeX, HTML, JSON."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to write to instead of the terminal."""
    reported: bool = True
    """Show what others have published of these tasks, in tables of its own."""


@dataclass(frozen=True)
class AddConfig:
    """Make entries from runs. Adding a run twice changes nothing."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, folders of them, or training runs."""
    board: Annotated[Path, tyro.conf.arg(aliases=["-b"])] = Path("board")
    """Folder of the board; made where there is none."""
    title: str = ""
    """Title of the board; its folder's name when not given."""
    trained_on: str = ""
    """What the models were trained on, with commas between, where the runs do not say: `geneval` or `scenes train`."""


@dataclass(frozen=True)
class PageConfig:
    """Write a board as a page, and as Markdown, CSV, LaTeX and JSON beside it."""

    board: tyro.conf.Positional[Path]
    """Folder of the board."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder to write to; the board's own when not given."""


@dataclass(frozen=True)
class PublishConfig:
    """Put a board and its pages into a folder, or into a data set of the hub."""

    board: tyro.conf.Positional[Path]
    """Folder of the board."""
    to: tyro.conf.Positional[str]
    """A folder such as a checkout of pages, or hub:OWNER/NAME."""
    private: bool = False
    """Make a data set that does not exist yet a private one."""
    dry_run: bool = False
    """Print the files with their sizes and hashes, and send nothing."""


def main(arguments: list[str]) -> int:
    """Runs one of the actions."""
    usage = f"harness leaderboard {'|'.join(ACTIONS)}"
    if not arguments or arguments[0] in ("-h", "--help"):
        print("\n".join([usage, "", *(f"  {name:8} {kind.__doc__}" for name, (kind, _) in ACTIONS.items())]))
        return DONE
    name = arguments[0]
    if name not in ACTIONS:
        raise ValueError(unknown("action of leaderboard", name, ACTIONS))
    kind, act = ACTIONS[name]
    return act(tyro.cli(kind, args=arguments[1:], prog=f"harness leaderboard {name}"))


def show(config: ShowConfig) -> int:
    """Prints or writes the board of these runs."""
    from leaderboards.form import FORMS
    from leaderboards.gathering import gather
    from leaderboards.terminal import print_board

    if not config.paths:
        raise ValueError("harness leaderboard show needs run folders: `harness leaderboard show runs/*`")
    board = gather(config.paths, "")
    published = shipped() if config.reported else ()
    if config.format == "table":
        if config.output is not None:
            raise ValueError("--output needs a --format: md, csv, tex, html or json")
        print_board(board, published)
        return DONE
    text = FORMS[config.format](board, published)
    if config.output is None:
        print(text, end="")
    else:
        write(config.output, text)
    return DONE


def add(config: AddConfig) -> int:
    """Writes the entries."""
    from leaderboards.board import distinct, save_entry, start_board
    from leaderboards.gathering import gather

    declared = [one.strip() for one in config.trained_on.split(",") if one.strip()]
    found = gather(config.runs, config.title, declared)
    for one in found.apart:
        print(f"not entered: {one}")
    if not found.entries:
        raise ValueError("none of these runs may enter a board")
    start_board(config.board, config.title)
    for entry in distinct(found.entries):
        save_entry(config.board, entry)
        print(f"{entry.content['label']}: {config.board / 'entries' / entry.id}.json")
    return DONE


def write_page(config: PageConfig) -> int:
    """Writes all forms of a board."""
    from leaderboards.board import read_board
    from leaderboards.form import FILES, FORMS

    board, out = read_board(config.board), config.output or config.board
    for name, form in FILES.items():
        write(out / name, FORMS[form](board, shipped()))
    print(f"page: {out / 'index.html'}")
    return DONE


def publish_board(config: PublishConfig) -> int:
    """Sends a board where it is read."""
    from leaderboards.publication import publish

    return publish(config.board, config.to, config.private, config.dry_run)


def shipped() -> tuple[Reported, ...]:
    """The published figures of the package."""
    from leaderboards.reported import read_reported

    return read_reported()


def write(path: Path, text: str) -> None:
    """A whole file in a folder that is made where it does not exist."""
    from harness.json_lines import replace_text

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{path} cannot be written: {error.strerror}") from error
    replace_text(path, text)


ACTIONS: dict[str, tuple[type[Any], Callable[[Any], int]]] = {
    "show": (ShowConfig, show),
    "add": (AddConfig, add),
    "page": (PageConfig, write_page),
    "publish": (PublishConfig, publish_board),
}
