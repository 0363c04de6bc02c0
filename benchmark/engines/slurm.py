"""Slurm job arrays through submitit: an array element a chain."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmark.engines.local import run_whole_chain
from benchmark.execute import Listener, Outcome
from benchmark.jobs import Job
from toolbox.errors import UserError

if TYPE_CHECKING:
    from benchmark.engines import EngineOptions

POLL_S = 1.0


def run(chains: list[list[Job]], runner: str, options: "EngineOptions", listen: Listener) -> Iterator[Outcome]:
    """Submit one array and yield outcomes as they finish.

    `options.cluster` None lets submitit look for Slurm; "local" and "debug" run without it. Pre-empted elements are
    queued again by submitit, and their runs resume from their checkpoints.
    """
    try:
        import submitit
    except ImportError as error:
        raise UserError("--engine slurm needs submitit, which is not installed: pip install submitit") from error
    executor = submitit.AutoExecutor(folder=options.folder / "%j", cluster=options.cluster)
    if options.cluster is None and executor.cluster != "slurm":
        raise UserError(
            "--engine slurm found no Slurm here (no `srun`); try --cluster local, or --engine local --workers 2"
        )
    executor.update_parameters(
        timeout_min=options.minutes,
        mem_gb=options.memory_gb,
        cpus_per_task=max(1, round(options.cpus)),
        gpus_per_node=round(options.gpus),
        slurm_array_parallelism=max(1, options.workers),
        slurm_partition=options.partition,
        slurm_job_name="benchmark",
    )
    submitted = executor.map_array(run_whole_chain, chains, [runner] * len(chains))
    waiting = dict(zip(submitted, chains, strict=True))
    while waiting:
        for element in [job for job in waiting if job.done()]:
            yield from _outcomes(element, waiting.pop(element))
        if waiting:
            time.sleep(POLL_S)


def _outcomes(element, chain: list[Job]) -> list[Outcome]:
    error = element.exception()
    if error is None:
        return element.result()
    last = str(error).strip().splitlines()[-1]
    return [
        Outcome(job, "failed", message=f"Slurm job {element.job_id}: {last}", log=element.paths.stderr) for job in chain
    ]
