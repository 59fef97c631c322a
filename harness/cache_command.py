"""harness cache: what is kept of verifiers' replies, whether it is sound, and what may go."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from harness.ending import DONE, GATE
from reward.cache import ReplyCache, default_folder


@dataclass(frozen=True)
class CacheConfig:
    """List the replies kept by --use-cache, check every one, or remove some."""

    what: tyro.conf.Positional[Literal["ls", "verify", "gc"]]
    """ls counts by verifier, verify checks every row, gc removes damaged rows and those that the flags name."""
    folder: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FOLDER")]] = field(
        default_factory=default_folder
    )
    """Folder of the cache."""
    older_than: float | None = None
    """With gc: remove replies older than so many days."""
    verifier: str = ""
    """With gc: remove the replies of this verifier, by its whole id as ls prints it."""
    json: bool = False
    """Print JSON."""


def main(arguments: list[str]) -> int:
    """Prints what was found; 3 when `verify` finds damage."""
    config = tyro.cli(CacheConfig, args=arguments, prog="harness cache")
    check(config)
    cache = ReplyCache(config.folder)
    if not cache.path.is_file():
        raise ValueError(f"there is no cache in {config.folder}; `harness eval --use-cache {config.folder}` makes one")
    cache.open()
    try:
        return {"ls": show, "verify": verify, "gc": collect}[config.what](config, cache)
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{cache.path} is no whole cache: {error}; remove it, it holds nothing but replies") from None


def check(config: CacheConfig) -> None:
    """ValueError for flags that do not fit."""
    if config.what != "gc" and (config.older_than is not None or config.verifier):
        raise ValueError(f"harness cache {config.what} removes nothing; --older-than and --verifier belong to gc")
    if config.older_than is not None and config.older_than < 0:
        raise ValueError(f"--older-than is a number of days, not {config.older_than:g}")


def show(config: CacheConfig, cache: ReplyCache) -> int:
    """A line a verifier."""
    found = cache.entries()
    if config.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
        return DONE
    for one in found:
        print(f"{one.replies:8} replies {one.size / 1e6:8.1f} MB  {one.first[:10]} to {one.last[:10]}  {one.verifier}")
    print(f"{sum(one.replies for one in found)} replies of {len(found)} verifiers in {cache.path}")
    return DONE


def verify(config: CacheConfig, cache: ReplyCache) -> int:
    """Every row held to its key and its hash."""
    fault, bad = cache.fault(), cache.damaged()
    count = sum(one.replies for one in cache.entries())
    if config.json:
        print(json.dumps({"replies": count, "damaged": bad, "file": fault or "ok"}, indent=1))
    else:
        for key in bad:
            print(f"damaged: {key}")
        print(f"{count - len(bad)} of {count} replies are as they were written; the file is {fault or 'sound'}")
    return GATE if bad or fault else DONE


def collect(config: CacheConfig, cache: ReplyCache) -> int:
    """Removes what is damaged and what the flags name."""
    if config.verifier and config.verifier not in (known := [one.verifier for one in cache.entries()]):
        raise ValueError(f"the cache holds no replies of {config.verifier!r}; it has: {', '.join(known) or 'none'}")
    before = cache.path.stat().st_size
    gone = cache.drop(cache.damaged(), config.older_than, config.verifier)
    freed = max(0, before - cache.path.stat().st_size)
    if config.json:
        print(json.dumps({"removed": gone, "freed_bytes": freed}))
    else:
        print(f"removed {gone} replies, {freed / 1e6:.1f} MB are free")
    return DONE
