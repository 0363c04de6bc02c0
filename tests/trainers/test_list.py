"""What is printed of methods and their options, and that the document says the same."""

from pathlib import Path

import pytest

from benchmark.jobs import CLASS_BOUND
from toolbox.errors import UserError
from toolbox.options import Option
from trainers.life.config import methods
from trainers.list import facts, main, methods_tables, options_tables

METHODS = {method.__name__: method for method in methods() if method.__module__.startswith("trainers.")}
PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_every_option_of_every_method_is_declared_and_its_default_allowed():
    for name, method in METHODS.items():
        for key, option in method.defaults.items():
            assert isinstance(option, Option) and option.help and not option.help.endswith("."), f"{name} {key}"
            option.check(key, option.default)


def test_a_line_a_method(capsys):
    assert main(["--short"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} " in out for name in METHODS)
    assert 'CoOp          a learned context in place of "a photo of a"' in out


def test_all_that_is_known_of_each_method(capsys):
    assert main([]) == 0
    told = dict(part.split(": ", 1) for part in capsys.readouterr().out.split("\n\n"))
    told = {name: text for name, text in told.items() if name in METHODS}  # not those that other tests plug in
    assert told.keys() == METHODS.keys() == facts().keys()
    for name, text in told.items():
        found = [line.split()[0] for line in text.splitlines()[1:]]
        assert found[:4] == ["trained", "needs", "classes", "cost"] and {"paper", "program"} <= set(found), name
        assert max(map(len, text.splitlines())) <= 160
    assert "\n    cost      0 numbers" not in "".join(told.values())


def test_methods_of_fixed_classes_are_those_that_sweeps_leave_out_of_base_to_new():
    assert {name for name, said in facts().items() if said["classes"] != "new ones too"} == CLASS_BOUND


def test_every_recorded_method_was_measured():
    assert all("recorded" in facts()[name] for name, method in METHODS.items() if "replay" in vars(method))
    assert all((" numbers; step " in facts()[name]["cost"]) == method.trains for name, method in METHODS.items())


def test_one_method_with_its_options(capsys):
    assert main(["CoOp"]) == 0
    out = capsys.readouterr().out
    assert "TRAINER.COOP.CLASS_TOKEN_POSITION" in out and "end, middle or front" in out
    with pytest.raises(UserError, match="nearest: CoOp"):
        main(["Coopp"])


@pytest.mark.parametrize("tables", [methods_tables, options_tables])
def test_the_document_has_the_tables_as_printed(tables):
    assert tables() in PAGE.read_text(encoding="utf-8"), "paste what `python -m trainers.list --markdown` prints"
