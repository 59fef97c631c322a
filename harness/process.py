"""Which of how many processes of a launch this is, as launchers tell it by the environment."""

from __future__ import annotations

import os

MARKS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
)
"""Variables of torch's launcher, of Open MPI, of MPICH and Intel MPI: number, processes, number on this machine."""
ALONE = (
    "this process is the only one: `accelerate launch --cpu` starts one, whatever --num_processes says, where no "
    "mpirun starts the rest; `accelerate launch --config_file recipes/accelerate/cpu.yaml` starts several"
)


def place_in_launch() -> tuple[int, int]:
    """The number of this process and how many there are; ValueError for values that cannot be."""
    number, count, _ = marks()
    rank, processes = os.environ.get(number, "0"), os.environ.get(count, "1")
    if not (rank.isdigit() and processes.isdigit() and int(rank) < int(processes)):
        raise ValueError(f"{number}={rank} and {count}={processes} are not a process and a number of processes")
    return int(rank), int(processes)


def marks() -> tuple[str, str, str]:
    """The variables of the launcher that started this process."""
    return next((names for names in MARKS if names[1] in os.environ), MARKS[0])


def own_device(device: str) -> str:
    """The device of this process: of several that a launcher has started, each takes the accelerator of its number."""
    _, count, place = marks()
    several = int(os.environ.get(count, "1")) > 1
    local = os.environ.get(place, "")
    return f"{device}:{local}" if several and local.isdigit() and device in ("cuda", "xpu") else device


def left_alone() -> str | None:
    """What to tell where accelerate was to start several processes on the CPU and started this one.

    It then names a meeting point (MASTER_ADDR), and no launcher says that anybody else will come.
    """
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true"
    meets = "MASTER_ADDR" in os.environ
    return ALONE if on_cpu and meets and not any(names[1] in os.environ for names in MARKS) else None
