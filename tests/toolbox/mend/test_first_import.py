"""A package with something to do before it is first imported is imported once, as whatever that left in its place."""

import importlib
import sys

from toolbox.mend.first_import import before_import


def test_a_package_is_imported_once_even_where_that_imports_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "imported_once.py").write_text("print('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    kept = []

    def act() -> None:
        kept.append(importlib.import_module("imported_once"))
        kept[0].mended = True

    before_import("imported_once", act)
    assert kept == []
    module = importlib.import_module("imported_once")
    assert module is kept[0] is sys.modules["imported_once"] and module.mended
    assert capsys.readouterr().out == "imported\n"
    assert module.__spec__.origin == str(tmp_path / "imported_once.py")
    before_import("imported_once", act)
    assert len(kept) == 2
    del sys.modules["imported_once"]
