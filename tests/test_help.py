"""Every option of every command has a help text, and shows its default where it has one."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

import pytest

from toolbox.parser import Parser

ROOT = Path(__file__).resolve().parents[1]
WINGS = (
    "toolbox",
    "datasets",
    "llm",
    "vlm",
    "trainers",
    "benchmark",
    "speed",
    "cilmp",
    "train.py",
    "parse_test_res.py",
)

STARTED_BY = {  # a parser that stands beside its command
    "datasets/prepare/options.py": "datasets/prepare/__main__.py",
}
BEFORE_ANYTHING = {"scripts/lib/environment.py"}  # makes the environment that all others need


def calls(path: Path) -> set[str]:
    """Names of what a file calls."""
    nodes = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {ast.unparse(node) for node in nodes}


def files() -> list[Path]:
    found = (
        path for wing in WINGS for path in ([ROOT / wing] if wing.endswith(".py") else (ROOT / wing).rglob("*.py"))
    )
    return sorted(found)


COMMANDS = [str(path.relative_to(ROOT)) for path in files() if "Parser" in calls(path)]


def test_there_is_one_kind_of_parser():
    other = [path for path in files() if calls(path) & {"argparse.ArgumentParser", "ArgumentParser"}]
    assert not other
    assert len(COMMANDS) > 35


@pytest.fixture
def made(monkeypatch):
    """The parsers that are made."""
    parsers, begin = [], Parser.__init__

    def remembered(self, *arguments, **options):
        begin(self, *arguments, **options)
        parsers.append(self)

    monkeypatch.setattr(Parser, "__init__", remembered)
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
    silent = [action.dest for action in parser._actions if not action.help]
    assert not silent
    text = " ".join(capsys.readouterr().out.split())
    for action in parser._actions:
        if action.help is argparse.SUPPRESS or action.default in (None, False, "", argparse.SUPPRESS, []):
            continue
        assert "default" in parser.formatter_class("x")._get_help_string(action), action.dest
        assert action.option_strings[0] in text
