"""Where the jobs of a sweep run: in this process, on a Ray cluster, or as a Slurm array.

An engine is a function `(chains, runner, options) -> iterator of outcomes`; results land as they finish.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.engines import local, ray, slurm
from benchmark.execute import Outcome
from benchmark.jobs import Job


@dataclass(frozen=True)
class EngineOptions:
    """Settings of all engines; each reads its own."""

    workers: int = 1
    address: str | None = None
    gpus: float = 0.0
    """GPUs a run; a fraction lets runs share one (Ray)."""
    cpus: float = 1.0
    """Cores a run; Ray takes fractions."""
    retries: int = 2
    folder: Path = Path("output/slurm")
    cluster: str | None = None
    partition: str | None = None
    minutes: int = 720
    memory_gb: float = 8.0

    @property
    def threads(self) -> int:
        """Threads a run, the same on every engine."""
        return max(1, round(self.cpus))


Engine = Callable[[list[list[Job]], str, EngineOptions], Iterator[Outcome]]

ENGINES: dict[str, Engine] = {"local": local.run, "ray": ray.run, "slurm": slurm.run}
