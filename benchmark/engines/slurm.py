"""Slurm job arrays through submitit: an array element a chain."""

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from benchmark.engines.local import run_whole_chain
from benchmark.engines.queue import Queue
from benchmark.engines.share import python_path
from benchmark.execute import Outcome
from benchmark.jobs import Job
from benchmark.stopping import STOPPED, die_with
from toolbox.errors import UserError

if TYPE_CHECKING:
    from benchmark.engines import EngineOptions

POLL_S = 1.0

WARNING_S = 90
"""How long before its time limit an element is told to queue again, at most; a short one at three quarters of its time."""


def run(chains: list[list[Job]], runner: str, options: "EngineOptions") -> Iterator[Outcome]:
    """Submit one array and yield outcomes as they finish; who stops before all have finished cancels the rest.

    `options.cluster` None lets submitit look for Slurm; "local" and "debug" run without it. Elements that come to their
    time limit are queued again, three times, and their runs go on from their checkpoints.
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
        cpus_per_task=options.threads,
        gpus_per_node=round(options.gpus),
        slurm_array_parallelism=max(1, options.workers),
        slurm_partition=options.partition,
        slurm_job_name="benchmark",
        slurm_signal_delay_s=min(WARNING_S, 15 * options.minutes),
        slurm_setup=[f"export PYTHONPATH={shlex.quote(python_path())}"],
    )
    parent = os.getpid() if executor.cluster == "local" else None
    tasks = [(chain, runner, options.threads, parent) for chain in chains]
    submitted = executor.map_array(_Element(), *zip(*tasks, strict=True))
    waiting = dict(zip(submitted, chains, strict=True))
    queue = Queue(submitted[0].job_id.partition("_")[0]) if executor.cluster == "slurm" else None
    try:
        while waiting:
            ended = queue.ended(list(waiting)) if queue else {job: "" for job in waiting if job.done()}
            for element, state in ended.items():
                yield from _outcomes(element, waiting.pop(element), state)
            if waiting:
                time.sleep(POLL_S)
    finally:
        if waiting:
            _cancel(queue, list(waiting))


class _Element:
    """What an element of the array does, and does again when it was queued once more."""

    def __call__(self, chain: list[Job], runner: str, threads: int, parent: int | None) -> list[Outcome]:
        if parent is not None:
            die_with(parent)
        _leave_when_told()
        return run_whole_chain(chain, runner, threads)

    def checkpoint(self, *arguments: Any) -> Any:
        """What submitit is to queue again: the same, for runs keep their own checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def _leave_when_told() -> None:
    """After submitit's answer to the scheduler's warning, end the chain: its exception is not one of the run at work."""
    queue_again = signal.getsignal(signal.SIGUSR2)
    if not callable(queue_again):  # not on Slurm
        return

    def answer(number: int, frame: FrameType | None) -> None:
        try:
            queue_again(number, frame)
        finally:
            raise SystemExit(STOPPED)

    signal.signal(signal.SIGUSR2, answer)


def _cancel(queue: Queue | None, elements: list[Any]) -> None:
    if queue is None:
        for element in elements:
            element.cancel()
    elif not queue.cancel():
        print(
            f"Slurm job {queue.array} could not be cancelled and goes on: squeue -j {queue.array}; scancel {queue.array}",
            file=sys.stderr,
        )


def _outcomes(element: Any, chain: list[Job], state: str) -> list[Outcome]:
    if state:
        last = f"{state}{_told_by_slurm(element.paths.stderr)}; start the same command again to go on from the last checkpoint"
    else:
        error = element.exception()
        if error is None:
            return element.result()
        last = _reason(str(error))
    return [
        Outcome(job, "failed", message=f"Slurm job {element.job_id}: {last}", log=element.paths.stderr) for job in chain
    ]


def _reason(told: str) -> str:
    """The error in a traceback of submitit's, behind which it says where logs are."""
    lines = [line for line in told.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)), lines[-1])


def _told_by_slurm(log: Path) -> str:
    """Slurm's own reason in an element's log, such as that it took more than its memory."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    reasons = (line.partition(" error: ")[2] for line in lines if line.startswith("slurmstepd"))
    return next((f" ({reason})" for reason in reasons if reason), "")
