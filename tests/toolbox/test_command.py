import pytest

from toolbox.command import run_command
from toolbox.errors import UserError


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
