"""Memory that is freed stays with the process."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
from harness.heap import keep_freed

if sys.argv[1] == "kept":
    keep_freed()

def work():
    for _ in range(50):
        held = [bytearray(800_000) for _ in range(8)]
        del held

work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Pages that the kernel had to clear for a second round of the same work."""
    done = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_blocks_that_were_freed_are_not_cleared_again() -> None:
    assert faults("kept") * 10 < faults("given back")
