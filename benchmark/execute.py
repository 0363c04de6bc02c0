"""Running jobs inside one process: what is finished is left alone, a failed run does not stop the others."""

import contextlib
import importlib
import io
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.jobs import Job, finished
from benchmark.stopping import STOPPED
from toolbox.errors import UserError
from toolbox.files import atomic_text
from toolbox.run_files import RESULT, find_result

RUNNER = "train:run"
"""`module:function` called with the words of train.py's command line; a name, so that it reaches other machines."""

NEEDED = "the run it tests failed:"


@dataclass(frozen=True)
class Outcome:
    """What became of a job: "done", "skipped" (was finished) or "failed"."""

    job: Job
    state: str
    seconds: float = 0.0
    message: str = ""
    log: Path | None = None
    user_error: bool = False


def run_chain(chain: list[Job], runner: str = RUNNER) -> Iterable[Outcome]:
    """Run the jobs of a chain in order, yielding each outcome; what needs a failed job fails with it."""
    failed: set[Path] = set()
    for job in chain:
        if job.after in failed:
            failed.add(job.output)
            yield Outcome(job, "failed", message=f"{NEEDED} {job.after}")
            continue
        outcome = run_job(job, runner)
        if outcome.state == "failed":
            failed.add(job.output)
        yield outcome


def run_job(job: Job, runner: str = RUNNER) -> Outcome:
    """Run one job here. Nothing that it prints is shown: the run itself writes it to its log.txt."""
    start = time.monotonic()
    console = _Lines()
    try:
        if finished(job, runner):
            return Outcome(job, "skipped")
        _forget_peak_memory()
        with contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
            _function(runner)(list(job.argv))
        if find_result(job.output) is None:
            raise RuntimeError(f"the run ended without writing {job.output / RESULT}")
    except UserError as error:
        return Outcome(job, "failed", time.monotonic() - start, str(error), user_error=True)
    except SystemExit as error:
        if error.code == STOPPED:  # the sweep must stop too, not go on with the next run
            raise
        message = console.last_error or f"it left with exit code {error.code}"
        return Outcome(job, "failed", time.monotonic() - start, message, _log(job), user_error=error.code == 2)
    except Exception as error:
        path = job.output / "error.txt"
        atomic_text(path, traceback.format_exc())
        return Outcome(job, "failed", time.monotonic() - start, f"{type(error).__name__}: {error}", path)
    return Outcome(job, "done", time.monotonic() - start)


def _function(name: str) -> Callable[[list[str]], Any]:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _forget_peak_memory() -> None:
    """Let Linux count this process's peak memory from here, so that a run's figure is not that of the runs before it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _log(job: Job) -> Path | None:
    path = job.output / "log.txt"
    return path if path.exists() else None


class _Lines(io.TextIOBase):
    """A text stream that remembers the last line of bad input told to it."""

    def __init__(self) -> None:
        self.rest = ""
        self.last_error = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in map(str.strip, lines):
            if line.startswith("error: "):
                self.last_error = line.removeprefix("error: ")
        return len(text)
