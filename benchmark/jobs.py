"""One call of train.py as data, and the order in which calls depend on each other."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.quotas import COOP
from toolbox.errors import UserError
from toolbox.run_files import find_result

AGAIN = "--again"
ZERO_SHOT = "ZeroshotCLIP"
UNTRAINED = {ZERO_SHOT}  # methods that have nothing to train: they are run with --eval-only and no model folder

CLASS_BOUND = {"CLAP", "LinearProbe", "LPPlusPlus", "LPText", "SSText", "TipAdapter", "TipAdapterF", "ViP", "XCoOp"}
"""Methods whose weights belong to the classes they were trained with: there is no base-to-new of them."""


@dataclass(frozen=True)
class Job:
    """One run: what it computes, where it writes, and the arguments of train.py that do it."""

    method: str
    dataset: str
    subset: str
    """Which classes are tested: "all", "base" or "new"."""
    shots: int
    """Training images a class; -1 is the whole training set."""
    seed: int
    backbone: str
    cfg: str
    output: Path
    argv: tuple[str, ...]
    after: Path | None = None
    """Output folder of the job whose checkpoint this one tests."""
    variant: str = ""
    draw: str = COOP

    @property
    def named(self) -> str:
        """METHOD or METHOD:VARIANT, as a plan names it."""
        return f"{self.method}:{self.variant}" if self.variant else self.method

    @property
    def title(self) -> str:
        """Short name for progress lines."""
        part = "" if self.subset == "all" else f" {self.subset}"
        draw = "" if self.draw == COOP else f" {self.draw} {self.shots}"
        return f"{self.named} {self.dataset}{part}{draw} seed {self.seed}"


def finished(job: Job, runner: str) -> bool:
    """Whether the run that the job asks for is there.

    Raises UserError where the folder holds another run (other settings, split, rows, backbone, ...) or a damaged result,
    unless the job's words say --again: then the run will move that folder aside.
    """
    try:
        result = find_result(job.output)
        found = [] if result is None else differences(job, result, runner)
        if found:
            raise OtherRun(f"{job.output} holds another run: {'; '.join(found)}")
    except UserError:
        if AGAIN not in job.argv:
            raise
        return False
    return result is not None


class OtherRun(UserError):
    """A folder holds a run with other settings than those asked for."""


def differences(job: Job, result: Mapping[str, Any], runner: str) -> list[str]:
    """How the run with this result.json differs from the job's; the module of the runner (`train`) knows."""
    return importlib.import_module(runner.partition(":")[0]).differences(list(job.argv), result)


def check_needs(jobs: Iterable[Job], runner: str) -> None:
    """Pass if rows and files are there that the jobs need, one job of each kind; those that test another's run need none.

    Raises:
        UserError: something is not there: then no run is to begin.
    """
    kinds = {
        (job.method, job.variant, job.cfg, job.dataset): job
        for job in jobs
        if job.after is None and job.method not in UNTRAINED
    }
    check = getattr(importlib.import_module(runner.partition(":")[0]), "check_needs", None)
    for job in kinds.values() if check else ():
        check(list(job.argv))


def chains(jobs: Iterable[Job]) -> list[list[Job]]:
    """Group jobs so that each one stands behind the job it needs; a chain runs in order, chains in any order."""
    result: list[list[Job]] = []
    chain_of: dict[Path, list[Job]] = {}
    for job in jobs:
        chain = chain_of.get(job.after) if job.after else None
        if chain is None:
            chain = []
            result.append(chain)
        chain.append(job)
        chain_of[job.output] = chain
    return result
