"""What engines share: threads a run and runs at a time on this machine, and where workers elsewhere find the program."""

import os
from pathlib import Path

from toolbox.cores import free_memory, usable_cores

ROOT = Path(__file__).resolve().parents[2]

MEMORY_A_WORKER = 2 << 30
"""Bytes left free for each worker process chosen here; a run on the small CLIP takes about 0.6 GB."""

NVIDIA = Path("/dev/nvidiactl")


def threads_of(chains: int, engine: str) -> int:
    """Threads a run where `--cpus` says nothing: OMP_NUM_THREADS, else 1; locally all cores shared by fewer chains.

    Neither workers nor what is finished already counts: both must not change the last digits of a result.

    Args:
        chains: of the whole plan, finished ones included.
        engine: "local", "ray" or "slurm".
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked):
        return min(int(asked), usable_cores()) if engine == "local" else int(asked)
    return max(1, usable_cores() // max(1, chains)) if engine == "local" else 1


def workers_of(chains: int, threads: int, engine: str) -> int:
    """Runs at a time where `--workers` says nothing: as many as there are cores and memory for.

    One where a GPU is, whose memory runs would have to share.

    Args:
        chains: that are to be run.
    """
    if engine == "local" and NVIDIA.exists():
        return 1
    most = min(chains, usable_cores() // threads)
    memory = free_memory()
    if memory is not None:
        most = min(most, memory // MEMORY_A_WORKER)
    return max(1, most)


def python_path() -> str:
    """PYTHONPATH of a worker that is started elsewhere: this program, installed or not, and what is imported from here."""
    return os.pathsep.join(p for p in (str(ROOT), str(Path.cwd()), os.environ.get("PYTHONPATH")) if p)
