"""The live view of a sweep: done, running, failed, time left; plain lines where the output is no terminal."""

import re
import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmark.execute import Outcome
from benchmark.jobs import Job
from toolbox.words import shown

_EPOCH = re.compile(r"epoch \[(\d+)/(\d+)\]\s+batch \[(\d+)/(\d+)\].*?loss (\S+)", re.IGNORECASE)

QUIET_S = 20.0
"""Longest silence of a running job where no bar can be shown."""


class Live:
    """Follows a sweep of `total` jobs."""

    def __init__(self, total: int, console: Console):
        self.total = total
        self.console = console
        self.failed = 0
        self.said = time.monotonic()
        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            TextColumn("{task.completed}/{task.total}"),
        ]
        columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False)]
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.task = self.progress.add_task("starting", total=total)

    def follow(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass outcomes on, showing each."""
        with self.progress:
            for number, outcome in enumerate(outcomes, start=1):
                self.said = time.monotonic()
                self.failed += outcome.state == "failed"
                self.progress.update(self.task, advance=1)
                self._describe("")
                self.console.print(
                    shown(f"[{number}/{self.total}] {_line(outcome)}"), highlight=False, markup=False, soft_wrap=True
                )
                yield outcome

    def listen(self, job: Job, line: str) -> None:
        """Show the epoch and loss of the running job, read from the lines every Dassl trainer prints."""
        found = _EPOCH.search(line)
        if not found:
            self._describe(job.title)
            return
        epoch, epochs, _, _, loss = found.groups()
        text = f"{job.title}: epoch {epoch}/{epochs}, loss {loss}"
        self._describe(text)
        if not self.console.is_terminal and time.monotonic() - self.said > QUIET_S:
            self.said = time.monotonic()
            self.console.print(shown(f"      {text}"), highlight=False, markup=False, soft_wrap=True)

    def _describe(self, text: str) -> None:
        failed = f"{self.failed} failed  " if self.failed else ""
        self.progress.update(self.task, description=shown(failed + text))


def _line(outcome: Outcome) -> str:
    if outcome.state == "failed":
        # Bad input is told once, at the end.
        return f"FAILED {outcome.job.title}" + ("" if outcome.user_error else f": {outcome.message}")
    return f"{outcome.job.title}: " + (f"{outcome.seconds:.1f} s" if outcome.state == "done" else "was finished")
