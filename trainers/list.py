"""The methods and their options: `python -m trainers.list`, or with a method's name all that can be set of it."""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from toolbox.columns import table, told
from toolbox.command import program, run_command
from toolbox.errors import UserError, nearest
from toolbox.options import Option, default_of
from toolbox.parser import Parser
from toolbox.plain import read_yaml

if TYPE_CHECKING:  # the help does not wait for torch
    from trainers.base import PromptTrainer


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(prog=program("python -m trainers.list"), description=__doc__)
    parser.add_argument("method", nargs="?", help="print this method's options")
    parser.add_argument("--short", action="store_true", help="a line a method")
    parser.add_argument("--markdown", action="store_true", help="all tables as docs/methods.md has them")
    args = parser.parse_args(argv)
    known = by_name()
    if args.markdown:
        print(f"{methods_tables()}\n\n## Options\n\n{options_tables()}")
    elif args.short:
        print(told((name, summary(method)) for name, method in known.items()))
    elif not args.method:
        print("\n\n".join(_told(name, summary(method)) for name, method in known.items()))
    elif args.method in known:
        print(f"{_told(args.method, summary(known[args.method]))}\n")
        print(table(option_rows(known[args.method]), HEADERS))
    else:
        raise UserError(f"no method {args.method!r}; {nearest(args.method, known)}")
    return 0


FACTS, MEASURED = Path(__file__).with_name("facts.yaml"), Path(__file__).with_name("measured.json")
HEADERS = ("key", "default", "what", "allowed")


def by_name() -> dict[str, type["PromptTrainer"]]:
    """All methods of the project by name, in alphabetical order."""
    from trainers.life.config import methods

    return {method.__name__: method for method in sorted(methods(), key=lambda m: m.__name__.lower())}


def summary(method: type["PromptTrainer"]) -> str:
    """The first sentence of the method's file."""
    sentence = (sys.modules[method.__module__].__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return sentence.removeprefix(f"{method.__name__}: ")


@cache
def facts() -> Mapping[str, Mapping[str, str]]:
    """Of each method what facts.yaml says of it, and what `python speed/methods.py` measured, in words; plugins have none."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    written = read_yaml(FACTS)
    return {
        name: {"classes": "new ones too", **said, **_in_words(measured.get(name, {}))} for name, said in written.items()
    }


def _in_words(figures: Mapping[str, float]) -> dict[str, str]:
    words = {"cost": "no tower runs once features are kept; tested as zero-shot CLIP"}
    if "step" in figures:
        words = {
            "cost": f"{figures['parameters']:,} numbers; step {figures['step']} x, test {figures['test']} x zero-shot CLIP"
        }
    if "recorded" in figures:
        words["recorded"] = f"{figures['recorded']} of the tolerance"
    return words


def _told(name: str, idea: str) -> str:
    """A method's name and idea, and below them what is known of it, a line each."""
    said = facts().get(name, {})
    lines = [(key, said[key]) for key in ("trained", "needs", "classes", "cost", *SOURCES) if said.get(key)]
    return "\n".join([f"{name}: {idea}", *([told(lines, "    ")] if lines else [])])


SOURCES = ("recorded", "paper", "program", "quirks")


def methods_tables() -> str:
    """Two markdown tables with a row a method: what it is, and what it costs and where it comes from."""
    names = [name for name, method in by_name().items() if method.__module__.startswith("trainers.")]
    ideas = {name: summary(by_name()[name]).removesuffix(".") for name in names}
    what = [(name, ideas[name], *_cells(name, "trained", "needs", "classes")) for name in names]
    source = [(name, *_cells(name, "cost", *SOURCES)) for name in names]
    first = ("method", "idea", "trained", "needs besides images", "can be tested on")
    second = ("method", "cost", "recorded program met within", "paper", "reference program (licence)", "to know")
    return f"{_markdown(first, what)}\n\n{_markdown(second, source)}"


def _cells(name: str, *keys: str) -> list[str]:
    return [facts().get(name, {}).get(key, "") for key in keys]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(" | ".join(row).join(("| ", " |")) for row in (head, ("---",) * len(head), *rows))


def option_rows(method: type["PromptTrainer"]) -> list[tuple[str, str, str, str]]:
    """Key, default, sentence and range of each option."""
    from trainers.life.keys import PREC

    rows = []
    for name, value in {**method.defaults, "PREC": PREC}.items():
        said = (value.help, value.allowed()) if isinstance(value, Option) else ("", "")
        default = default_of(value)
        rows.append((f"TRAINER.{method.section}.{name}", '""' if default == "" else str(default), *said))
    return rows


def options_tables() -> str:
    """A markdown section a method."""
    parts = []
    for name, method in by_name().items():
        if method.__module__.startswith("trainers."):
            rows = [(f"`{key}`", f"`{default}`", what, allowed) for key, default, what, allowed in option_rows(method)]
            parts.append(f"### {name}\n\n{summary(method)}.\n\n{_markdown(HEADERS, rows)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    run_command(main)
