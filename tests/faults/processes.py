"""Runs as processes of their own that can be killed: forked from this one, which has imported everything already."""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch.utils.tensorboard  # noqa: F401  as any run does

import datasets  # noqa: F401  registers the data sets, here once for all runs
import trainers  # noqa: F401  registers the methods
from toolbox.command import run_command
from train import run

TIMEOUT = 120.0
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "tempfile.mkstemp")


@dataclass(frozen=True)
class End:
    """How a process ended: `code` is its exit code, or minus the signal that killed it."""

    code: int
    error: str

    @property
    def hung(self) -> bool:
        return self.error == "hung"


def start(argv: list[str], log: Path, prepare: Callable[[], None] | None = None) -> int:
    """Fork a process that does `python train.py ARGV` with output in `log`.out and `log`.err; returns its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Ray leaves a handler of its own in the process that used it
        for name, stream in (("out", 1), ("err", 2)):
            handle = os.open(log.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
        if prepare:
            prepare()
        run_command(lambda: run(argv))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def wait(pid: int, log: Path, kill_after: float | None = None, signal_number: int = signal.SIGKILL) -> End:
    """Wait for the process; after `kill_after` seconds it is sent `signal_number`. One that hangs is ended and said so."""
    began, sent = time.monotonic(), False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        passed = time.monotonic() - began
        if kill_after is not None and passed >= kill_after and not sent:
            sent = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
        if passed > TIMEOUT:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return End(-9, "hung")
        time.sleep(0.002)
    error = log.with_suffix(".err")  # not there if the signal came before it was opened
    return End(os.waitstatus_to_exitcode(status), error.read_text(errors="replace") if error.exists() else "")


def finish(
    argv: list[str], log: Path, prepare: Callable[[], None] | None = None, kill_after: float | None = None, **options
) -> End:
    """`start` and `wait`."""
    return wait(start(argv, log, prepare), log, kill_after, **options)


def first_children(pid: int, seconds: float) -> list[int]:
    """Ids of processes that `pid` has started; waits up to `seconds` for the first."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if found:
                return [int(word) for word in found]
        time.sleep(0.001)
    return []


def timed(argv: list[str], log: Path, **options) -> tuple[End, float]:
    """`finish`, and the seconds it took."""
    began = time.monotonic()
    end = finish(argv, log, **options)
    return end, time.monotonic() - began


def killed_at_file_operation(number: int, folder: Path) -> Callable[[], None]:
    """A preparation: the process kills itself just before its `number`-th operation on a file below `folder`."""

    def prepare() -> None:
        ours, left = os.getpid(), number

        def hook(event: str, args: tuple) -> None:
            nonlocal left
            if event not in FILE_EVENTS or os.getpid() != ours or not str(args[0]).startswith(str(folder)):
                return
            left -= 1
            if left == 0:
                os.kill(ours, signal.SIGKILL)

        sys.addaudithook(hook)

    return prepare


def no_file_beyond(size: int) -> Callable[[], None]:
    """A preparation: no file can grow beyond `size` bytes, as on a full disk."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare
