"""A Ray cluster, or Ray on this machine: a task a chain, with fractional GPUs and retries after a lost worker."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.engines.local import run_whole_chain
from benchmark.engines.share import python_path
from benchmark.execute import Outcome
from benchmark.jobs import Job
from toolbox.errors import UserError

if TYPE_CHECKING:
    from benchmark.engines import EngineOptions


def run(chains: list[list[Job]], runner: str, options: "EngineOptions") -> Iterator[Outcome]:
    """Submit every chain and yield outcomes as they finish; workers see the repository and the data by the same path."""
    try:
        import ray
    except ImportError as error:
        raise UserError("--engine ray needs Ray, which is not installed: pip install ray") from error
    here = str(Path.cwd())
    limits = {} if options.address else {"num_cpus": max(1, math.ceil(options.workers * options.cpus))}
    ray.init(
        address=options.address,
        runtime_env={"env_vars": {"PYTHONPATH": python_path()}},
        include_dashboard=False,
        log_to_driver=False,
        **limits,
    )
    try:
        task = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus, max_retries=options.retries)(_in_folder)
        waiting = {task.remote(here, chain, runner, options.threads): chain for chain in chains}
        while waiting:
            (ready, *_), _ = ray.wait(list(waiting), num_returns=1)
            chain = waiting.pop(ready)
            try:
                yield from ray.get(ready)
            except ray.exceptions.RayError as error:
                first = str(error).strip().splitlines()[0]
                yield from (Outcome(job, "failed", message=f"Ray lost it: {first}") for job in chain)
    finally:
        ray.shutdown()


def _in_folder(folder: str, chain: list[Job], runner: str, threads: int) -> list[Outcome]:
    """Paths in a plan are relative to the folder the sweep was started in; a Ray worker starts elsewhere."""
    os.chdir(folder)
    return run_whole_chain(chain, runner, threads)
