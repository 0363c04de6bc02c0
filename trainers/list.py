"""The methods and their options: `python -m trainers.list`, or with a method's name all that can be set of it."""

import argparse
import sys
from collections.abc import Sequence

from tabulate import tabulate

from toolbox.command import run_command
from toolbox.errors import UserError, nearest
from toolbox.options import Option, default_of
from trainers.base import PromptTrainer
from trainers.life.config import methods
from trainers.life.keys import PREC


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainers.list", description=__doc__)
    parser.add_argument("method", nargs="?", help="print this method's options")
    parser.add_argument("--markdown", action="store_true", help="all options as docs/methods.md has them")
    args = parser.parse_args(argv)
    known = by_name()
    if args.markdown:
        print(options_tables())
    elif not args.method:
        print(tabulate([[name, summary(method)] for name, method in known.items()], tablefmt="plain"))
    elif args.method in known:
        print(f"{args.method}: {summary(known[args.method])}\n")
        print(tabulate(option_rows(known[args.method]), headers=HEADERS, disable_numparse=True))
    else:
        raise UserError(f"no method {args.method!r}; {nearest(args.method, known)}")
    return 0


HEADERS = ("key", "default", "what", "allowed")


def by_name() -> dict[str, type[PromptTrainer]]:
    """All methods of the project by name, in alphabetical order."""
    return {method.__name__: method for method in sorted(methods(), key=lambda m: m.__name__.lower())}


def summary(method: type[PromptTrainer]) -> str:
    """The first sentence of the method's file."""
    sentence = (sys.modules[method.__module__].__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return sentence.removeprefix(f"{method.__name__}: ")


def option_rows(method: type[PromptTrainer]) -> list[tuple[str, str, str, str]]:
    """Key, default, sentence and range of each option."""
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
            lines = [" | ".join(row).join(("| ", " |")) for row in (HEADERS, ("---",) * 4, *rows)]
            parts.append(f"### {name}\n\n{summary(method)}.\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    run_command(main)
