"""Everything printed goes to the console and to a log file."""

import sys
import time
from pathlib import Path
from typing import Any


class Logger:
    """Stands in for `sys.stdout`: writes to the console and, line by line, to the file `fpath`."""

    def __init__(self, fpath: str | None = None) -> None:
        self.console = sys.stdout
        self.file = None
        if fpath is not None:
            path = Path(fpath)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("w", buffering=1, encoding="utf-8")  # by line: a killed run keeps its log

    def __enter__(self) -> "Logger":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["console"], name)  # isatty, encoding, fileno, ... are the console's

    def write(self, msg: str) -> int:
        if self.file is not None and not self.file.closed:
            self.file.write(msg)
        return self.console.write(msg)

    def flush(self) -> None:
        self.console.flush()
        if self.file is not None and not self.file.closed:
            self.file.flush()

    def close(self) -> None:
        """Close the file; the console is not ours to close."""
        if self.file is not None:
            self.file.close()


def setup_logger(output: str | None = None) -> None:
    """Copy all further output to `output` (a .txt or .log file) or to `<output>/log.txt`.

    A log that exists is kept: the new one then has the date and time in its name.
    """
    if output is None:
        return
    path = output if output.endswith((".txt", ".log")) else str(Path(output) / "log.txt")
    if Path(path).exists():
        path += time.strftime("-%Y-%m-%d-%H-%M-%S")
    sys.stdout = Logger(path)
