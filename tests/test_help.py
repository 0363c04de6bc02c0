"""Every option of every command has a help text, and shows its default where it has one."""

import argparse
import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolbox.parser import Parser

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = {"tests", "data", "output"}

STARTED_BY = {  # a parser that stands beside its command
    "datasets/prepare/options.py": "datasets/prepare/__main__.py",
}
BEFORE_ANYTHING = "scripts/lib/environment.py"  # makes the environment that all others need, so it has no Parser
OTHER_PARSERS = {"ArgumentParser", "click", "docopt", "fire", "getopt", "optparse", "typer"}


def files() -> list[str]:
    """All programs of the project, from its root."""
    tops = (p for p in ROOT.iterdir() if p.name not in NOT_OURS and not p.name.startswith("."))
    found = (path for top in tops for path in ([top] if top.suffix == ".py" else top.rglob("*.py")))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def nodes(file: str) -> list[ast.AST]:
    """What the file does: annotations are left out."""
    return list(_without_annotations(ast.parse((ROOT / file).read_text(encoding="utf-8"))))


def _without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in ("annotation", "returns"):
                yield from _without_annotations(child)


def calls(file: str) -> list[ast.Call]:
    return [node for node in nodes(file) if isinstance(node, ast.Call)]


def names(file: str) -> set[str]:
    """Names that the file uses or gives: of modules, attributes, imports."""
    found = set()
    for node in nodes(file):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                found |= {alias.name if alias.asname or isinstance(node, ast.Import) else "" for alias in imported}
    return found


COMMANDS = [file for file in files() if any(ast.unparse(call.func) == "Parser" for call in calls(file))]


def test_there_is_one_kind_of_parser():
    other = {file for file in files() if names(file) & OTHER_PARSERS}
    assert other == {BEFORE_ANYTHING, "toolbox/parser.py"}
    renamed = [file for file in files() if file not in COMMANDS and "Parser" in names(file)]
    assert not renamed
    assert len(COMMANDS) > 35


def test_every_program_that_is_started_has_a_parser_or_hands_its_words_on():
    started = {file for file in files() if any(ast.unparse(call.func) == "run_command" for call in calls(file))}
    handed_on = {"cilmp/__main__.py", *STARTED_BY.values()}
    without_words = {"llm/sentences/composed.py"}
    assert started - {*COMMANDS, "toolbox/command.py"} <= handed_on | without_words


@pytest.fixture
def made(monkeypatch):
    """The parsers that are made."""
    parsers, begin = [], argparse.ArgumentParser.__init__

    def remembered(self, *arguments, **options):
        begin(self, *arguments, **options)
        parsers.append(self)

    monkeypatch.setattr(argparse.ArgumentParser, "__init__", remembered)
    return parsers


@pytest.mark.parametrize("file", COMMANDS)
def test_every_option_is_explained(file, made, monkeypatch, capsys):
    module = importlib.import_module(STARTED_BY.get(file, file).removesuffix(".py").replace("/", "."))
    words = ["--help"]
    monkeypatch.setattr(sys, "argv", [file, *words])
    start = getattr(module, "main", None) or module.parse
    with pytest.raises(SystemExit) as ended:
        start(words) if start.__code__.co_argcount else start()
    assert ended.value.code == 0
    (parser,) = made
    assert isinstance(parser, Parser)
    text = " ".join(capsys.readouterr().out.split())
    for action in parser._actions:
        if action.help is argparse.SUPPRESS:
            continue
        assert action.help, action.dest
        if not _is_nothing(action.default):
            assert "default" in parser.formatter_class("x")._get_help_string(action), action.dest
        assert not action.option_strings or action.option_strings[0] in text


def _is_nothing(default: object) -> bool:
    """Not 0, which is a number as others are."""
    return default is None or default is False or default in ("", argparse.SUPPRESS, [], ())


def test_the_environment_is_explained():
    options = [call for call in calls(BEFORE_ANYTHING) if ast.unparse(call.func).endswith(".add_argument")]
    assert options and all("help" in {word.arg for word in call.keywords} for call in options)


def test_defaults_stand_as_they_are_typed():
    parser = Parser("x")
    for name, default in {"none": 0, "rate": 0.5, "parts": (0.8, 0.2), "share": "5 %"}.items():
        parser.add_argument(f"--{name}", default=default, help="so many")
    for name, default in {"silent": None, "empty": "", "nothing": [], "switch": False}.items():
        parser.add_argument(f"--{name}", default=default, help="whatever")
    parser.add_argument("--told", default=3, help="one of many (default: the third)")
    text = " ".join(parser.format_help().split())
    for words in ("(default: 0)", "(default: 0.5)", "(default: 0.8 0.2)", "(default: 5 %)", "(default: the third)"):
        assert f"so many {words}" in text or f"one of many {words}" in text
    assert text.count("(default:") == 5
