"""TensorBoard's events, so that a full disk is one line about their file and no traceback of the thread that writes them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolbox.errors import UserError


class Events:
    """A SummaryWriter. What its thread could not write, it says at the next call, as a UserError."""

    def __init__(self, writer: Any, folder: str | Path) -> None:
        quiet_thread()
        self.writer, self.folder = writer, folder

    def add_scalar(self, *args: Any, **options: Any) -> None:
        with naming_the_file(self.folder):
            self.writer.add_scalar(*args, **options)

    def close(self) -> None:
        with naming_the_file(self.folder):
            self.writer.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["writer"], name)


@contextmanager
def naming_the_file(folder: str | Path) -> Iterator[None]:
    """What the disk refuses, as a UserError that names the file of events in `folder`."""
    try:
        yield
    except OSError as error:
        files = sorted(Path(folder).glob("events.*"), key=lambda path: path.stat().st_mtime)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(
            f"cannot write {files[-1] if files else folder}: {reason}; mend that, then start the same command again to go "
            "on from the last checkpoint"
        ) from error


def quiet_thread() -> None:
    """TensorBoard's thread keeps what went wrong for the next call; Python need not print it as well."""
    if getattr(threading.excepthook, "quiet_thread", False):
        return
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (isinstance(args.exc_value, OSError) and type(args.thread).__name__ == "_AsyncWriterThread"):
            before(args)

    hook.quiet_thread = True
    threading.excepthook = hook
