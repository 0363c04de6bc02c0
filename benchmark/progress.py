"""The live view of a sweep: a table that fills in, runs at work, time left; plain lines where the output is no terminal."""

import threading
import time
from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from benchmark.execute import Outcome
from benchmark.jobs import Job
from benchmark.watching import State, Watch
from toolbox.words import shown

QUIET_S = 20.0
"""Longest silence about running jobs where no table can be shown."""

MOST_COLUMNS = 4
"""Kinds of test that have a column each; of more there is a single one."""

MOST_RUNNING = 4
"""Runs at work that are named under the table."""


class Live:
    """Shows a sweep on the console.

    Args:
        total: runs to be made.
    """

    def __init__(self, watch: Watch, total: int, console: Console) -> None:
        self.watch, self.total, self.console = watch, total, console
        self.ended = 0
        self.said = self.began = time.monotonic()

    def follow(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass outcomes on, showing each."""
        stop = threading.Event()
        if self.console.is_terminal:
            view = RichLive(
                console=self.console, get_renderable=self._view, refresh_per_second=2, transient=True,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
        else:
            view = threading.Thread(target=self._break_silence, args=(stop,), daemon=True)
        view.start()
        try:
            for number, outcome in enumerate(outcomes, start=1):
                self.watch.ended(outcome)
                self.ended = number
                self._say(f"[{number}/{self.total}] {_line(outcome)}")
                yield outcome
        finally:
            stop.set()
            if isinstance(view, RichLive):
                view.stop()

    def _say(self, text: str) -> None:
        self.said = time.monotonic()
        self.console.print(shown(text), highlight=False, markup=False, soft_wrap=True)

    def _break_silence(self, stop: threading.Event) -> None:
        while not stop.wait(QUIET_S / 4):
            if time.monotonic() - self.said > QUIET_S:
                running = [f"{s.job.title}: {s.said}" for s in self.watch.look() if s.state == "running" and s.said]
                if running:
                    self._say("      " + "; ".join([*running[:MOST_RUNNING], *self._left()]))

    def _left(self) -> list[str]:
        seconds = self.watch.seconds_left()
        return [] if seconds is None else [f"about {_clock(seconds)} left"]

    def _view(self) -> Group:
        states = self.watch.look()
        running = [s for s in states if s.state == "running"]
        lines = [f"{s.job.title}: {s.said or 'begun'}" for s in running[:MOST_RUNNING]]
        lines += [f"and {len(running) - MOST_RUNNING} more"] if len(running) > MOST_RUNNING else []
        failed = sum(s.state == "failed" for s in states)
        done = [f"{self.ended}/{self.total} runs"] + ([f"{failed} failed"] if failed else [])
        lines.append(", ".join([*done, f"{_clock(time.monotonic() - self.began)} so far", *self._left()]))
        return Group(table(states), *(Text(shown(line), no_wrap=True, overflow="ellipsis") for line in lines))


def table(states: list[State]) -> Table:
    """A row a method: mean accuracy of what is there and how many of its runs, a column each kind of test."""
    kinds = list(dict.fromkeys(_kind(s.job) for s in states))
    several = len(kinds) <= MOST_COLUMNS
    found = Table("", *([shown(kind) for kind in kinds] if several else ["runs"]), box=box.SIMPLE_HEAD)
    rows: dict[str, list[State]] = {}
    for state in states:
        rows.setdefault(state.job.named, []).append(state)
    for method, own in rows.items():
        cells = [_cell([s for s in own if _kind(s.job) == kind]) for kind in kinds] if several else [_count(own)]
        found.add_row(shown(method), *cells)
    return found


def _cell(states: list[State]) -> str:
    known = [s.accuracy for s in states if s.accuracy is not None]
    return f"{sum(known) / len(known):.1f} ({_count(states)})" if known else _count(states) if states else ""


def _count(states: list[State]) -> str:
    done, failed, running = (sum(s.state == state for s in states) for state in ("done", "failed", "running"))
    more = [f"{failed} failed"] * bool(failed) + [f"{running} at work"] * bool(running)
    return ", ".join([f"{done}/{len(states)}", *more])


def _kind(job: Job) -> str:
    return " ".join(
        [job.dataset, *([job.subset] if job.subset != "all" else []), *([str(job.shots)] if job.shots > 0 else [])]
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _line(outcome: Outcome) -> str:
    if outcome.state == "failed":
        # Bad input is told once, at the end.
        return f"FAILED {outcome.job.title}" + ("" if outcome.user_error else f": {outcome.message}")
    return f"{outcome.job.title}: " + (f"{outcome.seconds:.1f} s" if outcome.state == "done" else "was finished")
