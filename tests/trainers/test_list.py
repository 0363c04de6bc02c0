"""What is printed of methods and their options, and that the document says the same."""

from pathlib import Path

import pytest

from toolbox.errors import UserError
from toolbox.options import Option
from trainers.life.config import methods
from trainers.list import main, options_tables

METHODS = {method.__name__: method for method in methods() if method.__module__.startswith("trainers.")}
PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_every_option_of_every_method_is_declared_and_its_default_allowed():
    for name, method in METHODS.items():
        for key, option in method.defaults.items():
            assert isinstance(option, Option) and option.help and not option.help.endswith("."), f"{name} {key}"
            option.check(key, option.default)


def test_a_line_a_method(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} " in out for name in METHODS)
    assert 'CoOp          a learned context in place of "a photo of a"' in out


def test_one_method_with_its_options(capsys):
    assert main(["CoOp"]) == 0
    out = capsys.readouterr().out
    assert "TRAINER.COOP.CLASS_TOKEN_POSITION" in out and "end, middle or front" in out
    with pytest.raises(UserError, match="nearest: CoOp"):
        main(["Coopp"])


def test_the_document_has_the_tables_as_printed():
    tables = options_tables()
    assert tables in PAGE.read_text(encoding="utf-8"), "paste what `python -m trainers.list --markdown` prints"
