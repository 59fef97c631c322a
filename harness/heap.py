"""The C library's heap, told not to hand memory back that the next forward asks for again."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Of `mallopt` in glibc's malloc.h."""
KEPT = 2**30
"""Free bytes at the end of the heap from which they are handed back."""
LARGEST = 2**25
"""Bytes from which a block is mapped by itself; the most that glibc takes."""


def keep_freed() -> None:
    """From now on freed blocks stay with the process; does nothing under another C library than glibc.

    By default blocks of some hundred KiB are mapped and unmapped, and every page of each is cleared by the kernel: for
    the activations of a small model on a CPU that takes longer than what is computed on them.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(TRIM_THRESHOLD, KEPT)
    library.mallopt(MMAP_THRESHOLD, LARGEST)
