"""One call of train.py as data, and the order in which calls depend on each other."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolbox.errors import UserError

ZERO_SHOT = "ZeroshotCLIP"
UNTRAINED = {ZERO_SHOT}  # methods that have nothing to train: they are run with --eval-only and no model folder

CLASS_BOUND = {"CLAP", "LinearProbe", "LPPlusPlus", "LPText", "SSText", "TipAdapter", "TipAdapterF"}
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

    @property
    def title(self) -> str:
        """Short name for progress lines."""
        part = "" if self.subset == "all" else f" {self.subset}"
        method = f"{self.method}:{self.variant}" if self.variant else self.method
        return f"{method} {self.dataset}{part} seed {self.seed}"


def finished(job: Job) -> bool:
    """Whether the job's result.json is there and says so.

    Raises UserError where the folder holds the finished result of a different run (other backbone, shots, ...), which
    would otherwise be taken for this one's.
    """
    path = job.output / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it to run {job.title} again") from error
    if result.get("status") != "finished":
        return False
    differences = [
        f"{key} {result[key]!r}, not {wanted!r}"
        for key, wanted in _expected(job).items()
        if _differs(result.get(key), wanted)
    ]
    if differences:
        raise UserError(
            f"{job.output} holds another run ({'; '.join(differences)}): set OUTPUT (--output) to a new folder, or remove it"
        )
    return True


def _expected(job: Job) -> dict[str, Any]:
    return {"method": job.method, "subset": job.subset, "seed": job.seed, "backbone": job.backbone} | (
        {} if job.method in UNTRAINED else {"shots": job.shots}
    )


def _differs(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and isinstance(found, str):
        return found.lower() != wanted.lower()
    return found is not None and found != wanted


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
