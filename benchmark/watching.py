"""How far the runs of a sweep are, read from the folders they write: the same whatever engine makes them."""

import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.execute import Outcome
from benchmark.jobs import Job
from benchmark.statistics import mean
from toolbox.errors import UserError
from toolbox.run_files import RESULT, find_result

_EPOCH = re.compile(r"epoch \[(\d+)/(\d+)\]\s+batch \[(\d+)/(\d+)\].*?loss (\S+)", re.IGNORECASE)
TAIL = 4096  # bytes of a log's end that hold its last lines
SHARE = 0.05
"""Share of the time that may go into looking: there may be thousands of folders, on a disk in another room."""


@dataclass
class State:
    """Of one run."""

    job: Job
    state: str = "waiting"
    """"waiting", "running", "done" or "failed"."""
    accuracy: float | None = None
    share: float = 0.0
    """How much of its training a running one has done, 0..1."""
    said: str = ""
    """Epoch and loss of a running one."""
    seconds: float | None = None
    """How long one took that this sweep made."""


class Watch:
    """Follows the runs of a sweep.

    Args:
        jobs: all of them.
        pending: those that are still to be made.
        workers: runs at a time.
    """

    def __init__(self, jobs: Iterable[Job], pending: Iterable[Job], workers: int = 1) -> None:
        self.began, self.workers, self.due = time.time(), workers, 0.0
        waiting = set(pending)
        self.states = {job: State(job, "waiting" if job in waiting else "done") for job in jobs}
        for state in self.states.values():
            if state.state == "done":
                state.accuracy = _accuracy(state.job)

    def ended(self, outcome: Outcome) -> None:
        """Take in what an engine says of a run."""
        state = self.states[outcome.job]
        state.state = "failed" if outcome.state == "failed" else "done"
        state.accuracy = None if state.state == "failed" else _accuracy(outcome.job)
        state.seconds = outcome.seconds if outcome.state == "done" else None

    def look(self) -> list[State]:
        """All states, those of runs at work read anew unless that was done just now."""
        began = time.monotonic()
        if began >= self.due:
            for state in self.states.values():
                if state.state in ("waiting", "running"):
                    self._read(state)
            self.due = time.monotonic() + (time.monotonic() - began) / SHARE
        return list(self.states.values())

    def _read(self, state: State) -> None:
        folder = state.job.output
        try:
            if (folder / RESULT).stat().st_mtime >= self.began:  # an engine tells of a whole chain at once
                state.state, state.accuracy, state.said = "done", _accuracy(state.job), ""
                return
        except OSError:
            pass
        try:
            with (folder / "log.txt").open("rb") as file:
                if (folder / "log.txt").stat().st_mtime < self.began:
                    return
                file.seek(max(0, file.seek(0, 2) - TAIL))
                lines = file.read().decode(errors="replace")
        except OSError:
            return
        state.state = "running"
        if found := _EPOCH.findall(lines):
            epoch, epochs, batch, batches, loss = found[-1]
            state.share = (int(epoch) - 1 + int(batch) / max(1, int(batches))) / max(1, int(epochs))
            state.said = f"epoch {epoch}/{epochs}, loss {loss}"

    def seconds_left(self) -> float | None:
        """Until all have ended, from how long runs of the same method took; None before one of each kind is known."""
        took: dict[tuple[bool, str], list[float]] = defaultdict(list)
        for state in self.states.values():
            if state.seconds:
                trains = state.job.after is None  # or it tests another's weights, which is quicker
                for name in (state.job.named, ""):
                    took[trains, name].append(state.seconds)
        left = 0.0
        for state in self.states.values():
            if state.state in ("waiting", "running"):
                trains = state.job.after is None
                like = took.get((trains, state.job.named)) or took.get((trains, ""))  # of any method
                if not like:
                    return None
                left += mean(like) * (1 - state.share)
        return left / self.workers


def _accuracy(job: Job) -> float | None:
    try:
        result = find_result(job.output)
    except UserError:  # damaged: the table at the end will say so
        return None
    return result["metrics"].get("accuracy") if result else None
