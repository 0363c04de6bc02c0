"""How many cores and how much memory this process may use, and how many threads its arithmetic takes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Read by a library when it is loaded, and never again."""

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def usable_cores() -> int:
    """Cores this process may use: those it is bound to, at most its control group's quota and its Slurm job's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [bound, *_quota()]
    share = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if share.isdecimal():
        limits.append(int(share))
    return max(1, min(limits))


def _quota() -> list[int]:
    """Whole cores that the control group grants (version 2, then 1); empty without a limit."""
    with suppress(OSError, ValueError):
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return [] if quota == "max" else [int(quota) // int(period)]
    with suppress(OSError, ValueError):
        quota = int((CGROUP / "cpu/cpu.cfs_quota_us").read_text())
        return [quota // int((CGROUP / "cpu/cpu.cfs_period_us").read_text())] if quota > 0 else []
    return []


def free_memory() -> int | None:
    """Bytes that can still be had here, a control group's limit counted; None where the system does not say."""
    found = []
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) << 10)
    with suppress(OSError, ValueError):  # "max" is no number
        found.append(int((CGROUP / "memory.max").read_text()) - int((CGROUP / "memory.current").read_text()))
    return max(0, min(found)) if found else None


@contextmanager
def threads(wanted: int) -> Iterator[int]:
    """Arithmetic inside takes `wanted` threads, or as many as there are usable cores if these are fewer; yields how many."""
    from threadpoolctl import threadpool_limits

    number = min(wanted, usable_cores())
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, str(number)))  # for libraries loaded from here on
    torch = sys.modules.get("torch")
    had = torch.get_num_threads() if torch else None
    try:
        with threadpool_limits(number):  # for numpy's and scikit-learn's, where loaded
            if torch:
                torch.set_num_threads(number)
            yield number
    finally:
        if torch:
            torch.set_num_threads(had)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
