"""The output folder of a run: one process at a time, its log, and how an old one is moved out of the way."""

import contextlib
import errno
import fcntl
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dassl.utils import setup_logger
from toolbox.errors import UserError
from toolbox.plain import parse_json

HELD = (errno.EACCES, errno.EAGAIN)
HOLDER = ".lock-holder"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. It is the process's own, not the open file's: processes that load images do not inherit it,
    and so cannot keep it when the run is killed.

    Raises:
        UserError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                raise UserError(
                    f"another process is at work in {folder}; wait for it or choose another --output-dir"
                ) from error
            print(
                f"warning: the file system of {folder} has no locks ({os.strerror(error.errno)}); {HOLDER} in it names "
                "the process at work instead",
                file=sys.stderr,
            )
            with _named_in(folder / HOLDER):
                yield
            return
        yield


@contextmanager
def _named_in(path: Path) -> Iterator[None]:
    """A lock that any file system has: a file made by one process alone, which names it. One whose process has ended on
    this machine is taken over; of other machines nobody can tell from here.

    Raises:
        UserError: another process is named there, and works or may do so.
    """
    ours = {"host": platform.node(), "pid": os.getpid(), "started": _started(os.getpid())}
    for _ in range(2):
        try:
            with path.open("x") as file:
                json.dump(ours, file)
            break
        except FileExistsError:
            _remove_if_ended(path, ours["host"])
    else:
        raise UserError(f"another process is at work in {path.parent}; wait for it or choose another --output-dir")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _remove_if_ended(path: Path, host: str) -> None:
    try:
        holder = parse_json(path.read_text(encoding="utf-8"))
        pid, started, where = int(holder["pid"]), holder["started"], str(holder["host"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} does not say who is at work there; if nobody is, remove it") from None
    if where != host:
        raise UserError(
            f"process {pid} of machine {where} is, or was when it was killed, at work in {path.parent}; wait for it, choose "
            f"another --output-dir, or, if it is gone, remove {path}"
        )
    if _started(pid) == started and started is not None:
        raise UserError(
            f"another process ({pid}) is at work in {path.parent}; wait for it or choose another --output-dir"
        )
    claimed = path.with_name(f"{path.name}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(claimed)
        if parse_json(claimed.read_text()) != holder:  # another process took it over since it was read
            claimed.rename(path)
        claimed.unlink(missing_ok=True)


def _started(pid: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks; None if there is none of that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def set_aside(folder: Path) -> Path:
    """Rename a folder to NAME.before-1, or the next number that is free; nothing is deleted. Returns the new place.

    Raises:
        UserError: a process is at work in it, or it cannot be renamed.
    """
    with alone_in(folder):
        number = 1
        while (there := folder.with_name(f"{folder.name}.before-{number}")).exists():
            number += 1
        try:
            folder.rename(there)
        except OSError as error:
            raise UserError(f"cannot move {folder} aside: {os.strerror(error.errno)}") from error
    (there / HOLDER).unlink(missing_ok=True)
    return there


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of an attempt that was killed while it wrote; other runs may lie deeper."""
    for part in folder.rglob(".*.part"):
        between = part.parents[: part.parents.index(folder)]
        if not any((above / ".lock").exists() for above in between):
            part.unlink(missing_ok=True)


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Everything printed also goes to log.txt; the log of an attempt that did not finish is kept beside it."""
    log = folder / "log.txt"
    if log.exists():
        earlier = len(list(folder.glob("log-interrupted-*.txt")))
        log.rename(folder / f"log-interrupted-{earlier + 1}.txt")
    screen = sys.stdout
    setup_logger(str(log))
    try:
        yield
    finally:
        logger, sys.stdout = sys.stdout, screen
        logger.file.close()
