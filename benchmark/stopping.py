"""Ends that a sweep must not survive: a scheduler's SIGTERM, and the death of the process that started a worker."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import NoReturn

STOPPED = 128 + signal.SIGTERM
"""Exit code of a sweep, and of a run, that SIGTERM stopped."""

GRACE_S = 10.0
"""How long workers may take to stop once they are told to."""

LINE = "SIGTERM: stopping; start the same command again to go on where it was"


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """SIGTERM ends what is inside with one line on standard error and exit code 143, whatever is at work in it."""

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut short the end of the workers
        raise SystemExit(STOPPED)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread, which alone may handle signals
        yield
        return
    try:
        yield
    except SystemExit as end:
        if end.code == STOPPED:  # a run inside has a line of its own, which goes to its log
            print(LINE, file=sys.stderr, flush=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def die_with_parent() -> None:
    """For the start of a worker process: it ends as soon as its parent is gone, however that went.

    The end of a pipe tells, which the system closes with the parent. An interrupt from the keyboard is the parent's alone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    for child in multiprocessing.active_children():  # processes that load images for a run in this one
        child.kill()
    os._exit(STOPPED)


def die_with(pid: int) -> None:
    """This process ends within a second of that one, which is not its parent but started it through others."""
    threading.Thread(target=_watch_id, args=(pid,), daemon=True).start()


def _watch_id(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os._exit(STOPPED)
        time.sleep(1.0)


def end_children() -> None:
    """Stop the worker processes that this one started: first asked, then killed."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(GRACE_S)
        child.kill()
