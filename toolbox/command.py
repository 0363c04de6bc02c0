"""How every command of the project ends: errors a user can mend are one line and exit code 2."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from toolbox.errors import UserError
from toolbox.files import DISK_ERRORS
from toolbox.words import sentence

_called: dict[str, str] = {}

PIPE_CLOSED = 141
"""Exit code where whoever read the output has gone, as `... | head` does."""


def program(name: str) -> str:
    """How the command `name`, such as `python -m benchmark.run`, was called: for its help and errors."""
    return _called.get(name, name)


def called_as(name: str, other: str) -> None:
    """From now on it is called `other`: one door leads to many commands."""
    _called[name] = other


def run_command(main: Callable[[], int | None]) -> NoReturn:
    """Run `main` and exit with what it returns (None means 0).

    2 on UserError, on what a disk refuses and where memory ends; 130 on an interrupt from the keyboard.
    """
    for stream in (sys.stdout, sys.stderr):  # a name that is not UTF-8 is printed with escapes, not refused
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main() or 0
        sys.stdout.flush()
    except UserError as error:
        code = _refused(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes standard output once more at its end
        code = PIPE_CLOSED
    except MemoryError:
        code = _refused("this takes more memory than there is: close other programs, or give less at a time")
    except OSError as error:
        if error.errno not in DISK_ERRORS or error.filename is None:
            raise
        code = _refused(sentence(f"{os.fsdecode(error.filename)}: {os.strerror(error.errno)}"))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)


def _refused(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2
