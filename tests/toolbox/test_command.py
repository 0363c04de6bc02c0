import errno
import subprocess
import sys
from pathlib import Path

import pytest

from toolbox.command import PIPE_CLOSED, run_command
from toolbox.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def ends_with(main) -> int:
    with pytest.raises(SystemExit) as stop:
        run_command(main)
    return stop.value.code


def test_the_return_value_is_the_exit_code():
    assert ends_with(lambda: None) == 0
    assert ends_with(lambda: 3) == 3


def test_a_user_error_is_one_line_and_code_2(capsys):
    def main() -> None:
        raise UserError("split.json is empty: write it anew")

    assert ends_with(main) == 2
    assert capsys.readouterr().err == "error: split.json is empty: write it anew\n"


def test_an_interrupt_is_code_130(capsys):
    def main() -> None:
        raise KeyboardInterrupt

    assert ends_with(main) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_other_exceptions_are_not_hidden():
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(main)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: this takes more memory than there is"),
        (OSError(errno.ENAMETOOLONG, "x", "a" * 300), "error: aaa"),
        (OSError(errno.ENOSPC, "x", "a\x1b[2J"), "error: a: No space left on device\n"),
        (PermissionError(errno.EACCES, "x", "locked/a.csv"), "error: locked/a.csv: Permission denied\n"),
    ],
)
def test_what_disk_and_memory_refuse_is_one_line_and_code_2(error, said, capsys):
    def main() -> None:
        raise error

    assert ends_with(main) == 2
    err = capsys.readouterr().err
    assert err.startswith(said) and err.count("\n") == 1


def test_whoever_reads_the_output_may_leave():
    """As in `python -m cilmp predict ... | head -1`."""
    program = (
        "from toolbox.command import run_command\nrun_command(lambda: [print('x' * 99) for _ in range(9999)] and None)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert (process.wait(60), said) == (PIPE_CLOSED, "")
