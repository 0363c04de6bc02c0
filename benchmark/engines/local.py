"""This machine: one process for all jobs (backbone and decoded images are shared), or a few worker processes."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from benchmark.execute import Outcome, run_chain
from benchmark.jobs import Job
from benchmark.stopping import die_with_parent, end_children
from toolbox.cores import threads

if TYPE_CHECKING:
    from benchmark.engines import EngineOptions


def run(chains: list[list[Job]], runner: str, options: "EngineOptions") -> Iterator[Outcome]:
    """Run chains here, one after the other, or `options.workers` at a time in processes of their own."""
    if options.workers <= 1:
        with threads(options.threads):
            for chain in chains:
                yield from run_chain(chain, runner)
        return
    context = multiprocessing.get_context("spawn")  # a forked process would inherit torch's thread pool in any state
    with ProcessPoolExecutor(options.workers, mp_context=context, initializer=die_with_parent) as pool:
        longest_first = sorted(chains, key=len, reverse=True)  # a long one begun last would be waited for alone
        futures = {pool.submit(run_whole_chain, chain, runner, options.threads): chain for chain in longest_first}
        try:
            for future in as_completed(futures):
                try:
                    yield from future.result()
                except BrokenProcessPool:
                    message = "a worker process died (out of memory?); start the sweep again, or with fewer --workers"
                    yield from (Outcome(job, "failed", message=message) for job in futures[future])
        except BaseException:  # SIGTERM, an interrupt, or nobody wants the rest: the pool would wait for all of it
            pool.shutdown(wait=False, cancel_futures=True)
            end_children()
            raise


def run_whole_chain(chain: list[Job], runner: str, number: int) -> list[Outcome]:
    """A chain's outcomes, on so many threads, as a list, which can travel between processes and machines."""
    with threads(number):
        return list(run_chain(chain, runner))
