"""Options that the documents type are options of the commands they type them to."""

import contextlib
import importlib
import io
import re
from functools import cache
from pathlib import Path

import pytest

from cilmp.__main__ import main as cilmp
from train import main as train

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(
    r"(?:^|`|\(|&& |: )((?:python -m )?(?:cilmp|python -m [\w.]+|python train\.py)(?: [^`\n#|&]*)?)", re.M
)
GROUPS = ("data", "llm")
AS = {("cilmp", "validate"): ("cilmp", "run")}  # takes the options of


def commands(text: str) -> list[list[str]]:
    """Their words; VERB and the like stand for many."""
    found = [found.split() for found in COMMAND.findall(text)]
    return [words for words in found if len(words) > 1 and not words[1].isupper()]


@cache
def options(words: tuple[str, ...]) -> set[str]:
    """Long options in the help of a command."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        if words[0] == "cilmp":
            cilmp([*AS.get(words, words)[1:], "--help"])
        elif words[0] == "train.py":
            train(["--help"])
        else:
            importlib.import_module(words[0]).main(["--help"])
    return set(re.findall(r"--[a-z][\w-]*", said.getvalue()))


def program(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The command, and the words that follow it."""
    if words[:3] == ["python", "-m", "cilmp"]:
        words = words[2:]
    if words[0] == "cilmp":
        names = 3 if len(words) > 2 and words[1] in GROUPS else 2
        return tuple(words[:names]), words[names:]
    if words[1] == "train.py":
        return ("train.py",), words[2:]
    module = words[2]
    package = (ROOT / module.replace(".", "/")).is_dir()
    return (f"{module}.__main__" if package else module,), words[3:]


def typed(page: Path) -> list[tuple[tuple[str, ...], str]]:
    """Commands of the page, each with a long option typed to it."""
    found = []
    for words in commands(page.read_text(encoding="utf-8")):
        command, rest = program(words)
        rest = rest[: rest.index("--opts")] if "--opts" in rest else rest
        found += [(command, re.match(r"--[\w-]+", word)[0]) for word in rest if re.match(r"--[a-z]", word)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_are_there(page):
    strange = {(command, option) for command, option in typed(page) if option not in options(command)}
    assert not strange


def test_commands_are_found_and_others_left():
    assert len({option for page in PAGES for option in typed(page)}) > 60
    text = (
        "`cilmp run plan.yaml --page`: as `python -m benchmark.run x --again`.\n\ncilmp llm show F --layer 1  # --not\n"
    )
    found = [program(words) for words in commands(text)]
    assert [command for command, _ in found] == [("cilmp", "run"), ("benchmark.run",), ("cilmp", "llm", "show")]
    assert [rest for _, rest in found] == [["plan.yaml", "--page"], ["x", "--again"], ["F", "--layer", "1"]]
    assert "--no-such-option" not in options(("cilmp", "run")) and "--page" in options(("cilmp", "run"))
