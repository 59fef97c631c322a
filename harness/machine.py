"""Checks of the machine: packages and versions, devices and their memory, disk, the hub, the caches."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path

from harness.environment import version_of
from harness.extra import first_line
from harness.finding import Finding
from harness.hub import TOKENS
from harness.main import misplaced
from tasks.data import cache_folder, checksums, local_file

GIGA = 1e9
LEAST_DISK, LEAST_MEMORY = 2.0, 4.0
"""Gigabytes under which a run is likely to end early."""
REQUIREMENT = re.compile(r"^([A-Za-z0-9_.\-]+)>=([0-9.]+)(?:.*extra == ['\"](\w+)['\"])?")
HUB = "https://huggingface.co"


def packages() -> list[Finding]:
    """Python, our own names, and every package that the installation asks for."""
    stranger = misplaced()
    found = [Finding("python", "ok", f"{sys.version.split()[0]}, {platform.platform()}")]
    found.append(
        Finding("names", "wrong", stranger) if stranger else Finding("names", "ok", "the five packages are ours")
    )
    old, absent, whole = [], {}, []
    for text in metadata.requires("image-harness") or ():
        match = REQUIREMENT.match(text)
        if match is None or match[3] == "dev":
            continue
        name, least, extra = match[1], match[2], match[3] or ""
        version = version_of(name)
        if version is None:
            absent[name] = extra
        elif numbers(version) < numbers(least):
            old.append(f"{name} {version} is older than {least}")
        else:
            whole.append(f"{name} {version}")
    found.append(Finding("packages", "ok", ", ".join(sorted(set(whole)))))
    found += [Finding("packages", "wrong", one, f"pip install -U {one.split()[0]}") for one in sorted(set(old))]
    for name, extra in sorted(absent.items()):
        how = f"pip install 'image-harness[{extra}]'" if extra else f"pip install {name}"
        found.append(Finding("packages", "note" if extra else "wrong", f"{name} is not installed", how))
    return found


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    return tuple(int(one) for one in re.findall(r"\d+", version.partition("+")[0])[:3])


def devices(device: str) -> list[Finding]:
    """Accelerators with their free memory, and whether the one that is asked for can be used."""
    import torch

    found = []
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        found.append(Finding("device", "ok", f"cuda:{number} {name}, {free / GIGA:.1f} of {total / GIGA:.1f} GB free"))
    if torch.backends.mps.is_available():
        found.append(Finding("device", "ok", "mps"))
    if not found:
        found.append(Finding("device", "note", f"no accelerator; torch {torch.__version__} computes on the CPU, "
                             f"{torch.get_num_threads()} threads"))  # fmt: skip
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        help_ = "name one of the devices above, or install torch's build for it"
        found.append(Finding("device", "wrong", f"--device {device} cannot be used: {first_line(error)}", help_))
    return found


def memory(meminfo: Path = Path("/proc/meminfo")) -> list[Finding]:
    """Memory that is free, where the system tells it."""
    try:
        match = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="ascii"), re.M)
    except OSError:
        match = None
    if match is None:
        return [Finding("memory", "note", "this system does not tell how much memory is free")]
    free = int(match[1]) * 1024 / GIGA
    if free < LEAST_MEMORY:
        return [Finding("memory", "note", f"{free:.1f} GB free", "fewer rows= and a smaller --batch-size need less")]
    return [Finding("memory", "ok", f"{free:.1f} GB free")]


def disk(folders: dict[str, Path]) -> list[Finding]:
    """Room and the right to write, by what is written there."""
    return [room(name, folder) for name, folder in folders.items()]


def room(name: str, folder: Path) -> Finding:
    """One folder; the nearest one above it that exists stands for it."""
    place = next(one for one in (folder, *folder.resolve().parents) if one.is_dir())
    free = shutil.disk_usage(place).free / GIGA
    told = f"{name} in {short(folder)}: {free:.1f} GB free"
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        return Finding("disk", "wrong", f"{name} in {short(folder)} cannot be written: {error.strerror}",
                       "choose a folder of your own")  # fmt: skip
    return Finding("disk", "wrong", told, "make room") if free < LEAST_DISK else Finding("disk", "ok", told)


def short(path: Path) -> str:
    """A path without the user's name."""
    return str(path).replace(str(Path.home()), "~")


def hub(address: str = HUB, seconds: float = 5.0) -> list[Finding]:
    """Whether the hub can be reached, and whether there is a token; neither is needed for what lies here."""
    token = "a token is set" if any(os.environ.get(name) for name in TOKENS) else f"no token in {TOKENS[0]}"
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return [Finding("hub", "note", f"HF_HUB_OFFLINE=1: only what is in the cache can be used; {token}")]
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds):  # noqa: S310
            return [Finding("hub", "ok", f"{address} answers; {token}")]
    except urllib.error.HTTPError as error:
        return [Finding("hub", "ok", f"{address} answers (HTTP {error.code}); {token}")]
    except (OSError, ValueError) as error:
        told = f"{address} cannot be reached ({first_line(error)}); {token}"
        return [Finding("hub", "note", told, "weights and data must lie here already")]


def caches(root: Path | None = None) -> list[Finding]:
    """What the caches hold, and benchmark files in them that are not the official ones."""
    data = cache_folder() if root is None else root / "data"
    top = data.parent
    if not top.is_dir():
        return [Finding("cache", "ok", f"{short(top)} is empty")]
    found = []
    for folder in sorted(path for path in top.iterdir() if path.is_dir()):
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / GIGA
        found.append(Finding("cache", "ok", f"{short(folder)}: {len(files)} files, {size:.2f} GB"))
        left = [path for path in files if path.name.endswith(".new")]
        if left:
            found.append(
                Finding("cache", "note", f"{len(left)} files of runs that were killed", f"rm {short(left[0])}")
            )
    for name, wanted in checksums().items():
        path = data / name
        if path.is_file() and local_file(path, name).sha256 != wanted:
            found.append(Finding("cache", "wrong", f"{short(path)} is not the official file", "remove it"))
    return found
